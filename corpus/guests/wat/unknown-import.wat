;; A component that imports a function which no host here has, and calls it.
(component
  (import "theater:refused/nowhere"
    (instance $nowhere (export "answer" (func (param "question" u32) (result u32))))
  )
  (core module $module
    (import "nowhere" "answer" (func $answer (param i32) (result i32)))
    (func (export "ask") (param i32) (result i32) (call $answer (local.get 0)))
  )
  (core func $answer (canon lower (func $nowhere "answer")))
  (core instance $imports (export "answer" (func $answer)))
  (core instance $instance
    (instantiate $module (with "nowhere" (instance $imports)))
  )
  (func (export "ask") (param "question" u32) (result u32)
    (canon lift (core func $instance "ask"))
  )
)
