;; Walks over a code section, see walker.py. The section comes in windows, each a copy of a part of it and of some bytes
;; behind that.
;;
;; 0x000000 the window: 1 MiB, and 16 bytes that belong to the next one
;; 0x110000 functions that are looked for: an i32 each
;; 0x120000 where code may refer to one of them: an i32 each, fewer than 16,384
;; 0x140000 where bodies start: an i32 each, at most 524,288
;; 0x340000 where they end
(module
  (memory (export "memory") 0x54)

  (global $next (mut i64) (i64.const 0)) ;; where the next entry is, in the file

  (func (export "begin") (param $first i64)
    (global.set $next (local.get $first)))

  ;; Reads the entries that begin in the first $most bytes of the window, which has $size and starts at $base in the
  ;; file. Gives how many bodies were found; -1 for an entry that does not end in the window's bytes, or too large a
  ;; size, or too many.
  (func (export "walk") (param $base i64) (param $size i32) (param $most i32) (result i64)
    (local $found i32) (local $at i32) (local $length i64) (local $shift i64) (local $byte i32) (local $start i64)
    (block $done
      (loop $entry
        (br_if $done (i64.ge_u (i64.sub (global.get $next) (local.get $base)) (i64.extend_i32_u (local.get $most))))
        (if (i32.ge_u (local.get $found) (i32.const 0x200000)) (then (return (i64.const -1))))
        (local.set $at (i32.wrap_i64 (i64.sub (global.get $next) (local.get $base))))
        (local.set $length (i64.const 0))
        (local.set $shift (i64.const 0))
        (loop $more
          (if (i32.ge_u (local.get $at) (local.get $size)) (then (return (i64.const -1))))
          (local.set $byte (i32.load8_u (local.get $at)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (if (i32.and (i64.eq (local.get $shift) (i64.const 28)) (i32.gt_u (local.get $byte) (i32.const 0x0f)))
            (then (return (i64.const -1))))
          (local.set $length
            (i64.or
              (local.get $length)
              (i64.shl (i64.extend_i32_u (i32.and (local.get $byte) (i32.const 0x7f))) (local.get $shift))))
          (local.set $shift (i64.add (local.get $shift) (i64.const 7)))
          (br_if $more (i32.ge_u (local.get $byte) (i32.const 0x80))))
        (local.set $start (i64.add (local.get $base) (i64.extend_i32_u (local.get $at))))
        (global.set $next (i64.add (local.get $start) (local.get $length)))
        (if (i64.gt_u (global.get $next) (i64.const 0xffffffff)) (then (return (i64.const -1))))
        (i64.store32 offset=0x140000 (local.get $found) (local.get $start))
        (i64.store32 offset=0x340000 (local.get $found) (global.get $next))
        (local.set $found (i32.add (local.get $found) (i32.const 4)))
        (br $entry)))
    (i64.extend_i32_u (i32.shr_u (local.get $found) (i32.const 2))))

  ;; Looks in the first $most bytes of the window for `ref.func` of one of $wanted functions, whatever these bytes are.
  ;; Gives how many were found; 16,384 for those and more.
  (func (export "search") (param $base i64) (param $most i32) (param $wanted i32) (result i64)
    (local $block i32) (local $mask i32) (local $at i32) (local $found i32)
    (loop $next
      (local.set $mask
        (i8x16.bitmask (i8x16.eq (v128.load (local.get $block)) (i8x16.splat (i32.const 0xd2)))))
      (block $done
        (loop $each
          (br_if $done (i32.eqz (local.get $mask)))
          (local.set $at (i32.add (local.get $block) (i32.ctz (local.get $mask))))
          (local.set $mask (i32.and (local.get $mask) (i32.sub (local.get $mask) (i32.const 1))))
          (br_if $done (i32.ge_u (local.get $at) (local.get $most)))
          (if (call $is_wanted (call $index (i32.add (local.get $at) (i32.const 1))) (local.get $wanted))
            (then
              (i64.store32 offset=0x120000 (local.get $found)
                (i64.add (local.get $base) (i64.extend_i32_u (local.get $at))))
              (local.set $found (i32.add (local.get $found) (i32.const 4)))
              (if (i32.ge_u (local.get $found) (i32.const 0x10000)) (then (return (i64.const 0x4000))))))
          (br $each)))
      (local.set $block (i32.add (local.get $block) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $block) (local.get $most))))
    (i64.extend_i32_u (i32.shr_u (local.get $found) (i32.const 2))))

  ;; An index of at most 5 bytes.
  (func $index (param $at i32) (result i32)
    (local $result i32) (local $shift i32) (local $byte i32)
    (loop $more
      (local.set $byte (i32.load8_u (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $result
        (i32.or
          (local.get $result)
          (i32.shl (i32.and (local.get $byte) (i32.const 0x7f)) (local.get $shift))))
      (local.set $shift (i32.add (local.get $shift) (i32.const 7)))
      (br_if $more
        (i32.and (i32.ge_u (local.get $byte) (i32.const 0x80)) (i32.le_u (local.get $shift) (i32.const 28)))))
    (local.get $result))

  (func $is_wanted (param $index i32) (param $wanted i32) (result i32)
    (local $at i32)
    (loop $next
      (if (i32.ge_u (local.get $at) (i32.shl (local.get $wanted) (i32.const 2))) (then (return (i32.const 0))))
      (if (i32.eq (i32.load offset=0x110000 (local.get $at)) (local.get $index)) (then (return (i32.const 1))))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br $next))
    (unreachable)))
