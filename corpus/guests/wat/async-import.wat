;; A component that imports an async function. It has nothing to run; what it imports is the point.
(component
  (import "theater:refused/waiting"
    (instance (export "wait" (func async (param "seconds" u32) (result u32))))
  )
)
