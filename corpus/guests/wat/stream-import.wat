;; A component that imports a function with a stream and one with a future.
(component
  (import "theater:refused/flowing"
    (instance
      (type $bytes (stream u8))
      (export "pour" (func (param "bytes" $bytes)))
      (type $answer (future string))
      (export "ask" (func (result $answer)))
    )
  )
)
