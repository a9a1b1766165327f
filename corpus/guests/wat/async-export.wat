;; A component whose one function is async. It is sound, and there are engines that can run it.
(component
  (core module $module
    (func (export "wait") (param i32) (result i32) (local.get 0))
  )
  (core instance $instance (instantiate $module))
  (type $wait (func async (param "seconds" u32) (result u32)))
  (func $wait (type $wait) (canon lift (core func $instance "wait")))
  (instance $waiting (export "wait" (func $wait)))
  (export "theater:refused/waiting" (instance $waiting))
)
