;; Finds the instructions of a function body that have nothing but an index, see finder.py.
;;
;; 0x00000  what to do with each opcode: a shape, see below. 256 of those without a prefix, then 1024 for each of the
;;          prefixes 0xfb to 0xfe
;; 0x01800  for each byte, whether it is a block type, a heap type, or a value type among locals: bits 0, 1, 2
;; 0x10000  the function body: at most 256 KiB, and some zeros
;; 0x60000  what was found: a byte each for the opcode; then, an i32 each:
;; 0x80000  where the index starts
;; 0x100000 where it ends
;; 0x180000 the index
;; 0x260000 of indirect calls, an i32 each for the opcode, where the index of the type starts, where it ends, that index, and
;;          where the instruction ends
(module
  (memory (export "memory") 0x42)

  (global $at (mut i32) (i32.const 0))      ;; where the next byte is that was not read
  (global $end (mut i32) (i32.const 0))     ;; where the body ends
  (global $fails (mut i32) (i32.const 0))   ;; an integer did not end

  ;; Past an integer, of any length.
  (func $integer
    (loop $next
      (if (i32.ge_u (global.get $at) (global.get $end))
        (then
          (global.set $fails (i32.const 1))
          (return)))
      (i32.load8_u (global.get $at))
      (global.set $at (i32.add (global.get $at) (i32.const 1)))
      (br_if $next (i32.ge_u (i32.const 0x80)))))

  ;; An integer of 32 bits, in at most 5 bytes.
  (func $u32 (result i32)
    (local $result i32) (local $shift i32) (local $byte i32)
    (loop $next
      (if (i32.ge_u (global.get $at) (global.get $end))
        (then
          (global.set $fails (i32.const 1))
          (return (i32.const 0))))
      (local.set $byte (i32.load8_u (global.get $at)))
      (global.set $at (i32.add (global.get $at) (i32.const 1)))
      (if (i32.and (i32.eq (local.get $shift) (i32.const 28)) (i32.gt_u (local.get $byte) (i32.const 0x0f)))
        (then
          (global.set $fails (i32.const 1))
          (return (i32.const 0))))
      (local.set $result
        (i32.or
          (local.get $result)
          (i32.shl (i32.and (local.get $byte) (i32.const 0x7f)) (local.get $shift))))
      (local.set $shift (i32.add (local.get $shift) (i32.const 7)))
      (br_if $next (i32.ge_u (local.get $byte) (i32.const 0x80))))
    (local.get $result))

  ;; How many things follow, each of some bytes at least. More than there is room for fail.
  (func $count (param $bytes i32) (result i32)
    (local $count i32)
    (local.set $count (call $u32))
    (if (i32.gt_u
          (local.get $count)
          (i32.div_u (i32.sub (global.get $end) (global.get $at)) (local.get $bytes)))
      (then
        (global.set $fails (i32.const 1))
        (return (i32.const 0))))
    (local.get $count))

  ;; Past the labels of `br_table`.
  (func $labels
    (local $count i32)
    (local.set $count (call $count (i32.const 1)))
    (loop $next
      (if (global.get $fails) (then (return)))
      (drop (call $u32))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br_if $next (i32.ge_s (local.get $count) (i32.const 0)))))

  ;; Past locals of one byte each. Other ones fail.
  (func $locals
    (local $count i32)
    (local.set $count (call $count (i32.const 2)))
    (block $done
      (loop $next
        (br_if $done (i32.or (global.get $fails) (i32.eqz (local.get $count))))
        (drop (call $u32))
        (if (i32.or (global.get $fails) (i32.ge_u (global.get $at) (global.get $end)))
          (then
            (global.set $fails (i32.const 1))
            (return)))
        (if (i32.eqz (i32.and (i32.load8_u offset=0x1800 (i32.load8_u (global.get $at))) (i32.const 4)))
          (then
            (global.set $fails (i32.const 1))
            (return)))
        (global.set $at (i32.add (global.get $at) (i32.const 1)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next))))

  ;; Reads the body from $start, an offset in it, up to $size, locals first if that is 0; $base is added to all offsets
  ;; that are told. Gives where it stopped, before something that it does not read; from bit 20 on how many were found,
  ;; and from bit 40 on how many indirect calls. Where it can't read the locals, it stops at 0.
  (func (export "find") (param $start i32) (param $size i32) (param $base i32) (result i64)
    (local $begin i32) (local $opcode i32) (local $found i32) (local $indirect i32) (local $index i32)
    (local $byte i32) (local $ends i32)
    (global.set $fails (i32.const 0))
    (global.set $at (i32.add (i32.const 0x10000) (local.get $start)))
    (global.set $end (i32.add (i32.const 0x10000) (local.get $size)))
    (if (i32.eqz (local.get $start))
      (then
        (call $locals)
        (if (global.get $fails) (then (return (i64.const 0))))))
    (block $stop
      (loop $next
        (local.set $begin (global.get $at))
        (br_if $stop (i32.or (global.get $fails) (i32.ge_u (global.get $at) (global.get $end))))
        (local.set $opcode (i32.load8_u (global.get $at)))
        (global.set $at (i32.add (global.get $at) (i32.const 1)))
        (if (i32.and (i32.ge_u (local.get $opcode) (i32.const 0xfb)) (i32.le_u (local.get $opcode) (i32.const 0xfe)))
          (then
            ;; The second part in as few bytes as it needs: one or two.
            (br_if $stop (i32.ge_u (global.get $at) (global.get $end)))
            (local.set $index (i32.load8_u (global.get $at)))
            (global.set $at (i32.add (global.get $at) (i32.const 1)))
            (if (i32.ge_u (local.get $index) (i32.const 0x80))
              (then
                (br_if $stop (i32.ge_u (global.get $at) (global.get $end)))
                (local.set $byte (i32.load8_u (global.get $at)))
                (global.set $at (i32.add (global.get $at) (i32.const 1)))
                (br_if $stop (i32.or (i32.eqz (local.get $byte)) (i32.ge_u (local.get $byte) (i32.const 8))))
                (local.set $index
                  (i32.or
                    (i32.and (local.get $index) (i32.const 0x7f))
                    (i32.shl (local.get $byte) (i32.const 7))))))
            (local.set $opcode
              (i32.add
                (i32.add (i32.const 256) (local.get $index))
                (i32.shl (i32.sub (local.get $opcode) (i32.const 0xfb)) (i32.const 10))))))
        (block $typed
          (block $indirect
            (block $skip_16
              (block $skip_8
                (block $skip_4
                  (block $skip_1
                    (block $labels
                      (block $heap_type
                        (block $block_type
                          (block $memory_and_byte
                            (block $memory
                              (block $two
                                (block $one
                                  (block $simple
                                    (br_table
                                      $stop $next $simple $one $two $memory $memory_and_byte $block_type $heap_type
                                      $labels $skip_1 $skip_4 $skip_8 $skip_16 $indirect $stop
                                      (i32.load8_u (local.get $opcode))))
                                  (local.set $index (call $u32))
                                  (br_if $stop (global.get $fails))
                                  (i32.store8 offset=0x60000 (i32.shr_u (local.get $found) (i32.const 2)) (local.get $opcode))
                                  (i32.store offset=0x80000 (local.get $found)
                                    (i32.add (local.get $base) (i32.sub (local.get $begin) (i32.const 0xffff))))
                                  (i32.store offset=0x100000 (local.get $found)
                                    (i32.add (local.get $base) (i32.sub (global.get $at) (i32.const 0x10000))))
                                  (i32.store offset=0x180000 (local.get $found) (local.get $index))
                                  (local.set $found (i32.add (local.get $found) (i32.const 4)))
                                  (br $next))
                                (call $integer)
                                (br $typed))
                              (call $integer)
                              (call $integer)
                              (br $typed))
                            (call $memory_argument)
                            (br $typed))
                          (call $memory_argument)
                          (br $skip_1))
                        (br_if $stop (i32.ge_u (global.get $at) (global.get $end)))
                        (br_if $stop
                          (i32.eqz (i32.and (i32.load8_u offset=0x1800 (i32.load8_u (global.get $at))) (i32.const 1))))
                        (br $skip_1))
                      (br_if $stop (i32.ge_u (global.get $at) (global.get $end)))
                      (br_if $stop
                        (i32.eqz (i32.and (i32.load8_u offset=0x1800 (i32.load8_u (global.get $at))) (i32.const 2))))
                      (br $skip_1))
                    (call $labels)
                    (br $typed))
                  (global.set $at (i32.add (global.get $at) (i32.const 1)))
                  (br $typed))
                (global.set $at (i32.add (global.get $at) (i32.const 4)))
                (br $typed))
              (global.set $at (i32.add (global.get $at) (i32.const 8)))
              (br $typed))
            (global.set $at (i32.add (global.get $at) (i32.const 16)))
            (br $typed))
          ;; A type, then a table.
          (local.set $index (call $u32))
          (local.set $ends (global.get $at))
          (drop (call $u32))
          (br_if $stop (global.get $fails))
          (i32.store offset=0x260000 (local.get $indirect) (local.get $opcode))
          (i32.store offset=0x260004 (local.get $indirect)
            (i32.add (local.get $base) (i32.sub (local.get $begin) (i32.const 0xffff))))
          (i32.store offset=0x260008 (local.get $indirect)
            (i32.add (local.get $base) (i32.sub (local.get $ends) (i32.const 0x10000))))
          (i32.store offset=0x26000c (local.get $indirect) (local.get $index))
          (i32.store offset=0x260010 (local.get $indirect)
            (i32.add (local.get $base) (i32.sub (global.get $at) (i32.const 0x10000))))
          (local.set $indirect (i32.add (local.get $indirect) (i32.const 20)))
          (br $next))
        (br_if $stop (i32.or (global.get $fails) (i32.gt_u (global.get $at) (global.get $end))))
        (br $next)))
    (i64.or
      (i64.extend_i32_u (i32.sub (local.get $begin) (i32.const 0x10000)))
      (i64.or
        (i64.shl (i64.extend_i32_u (i32.shr_u (local.get $found) (i32.const 2))) (i64.const 20))
        (i64.shl (i64.extend_i32_u (i32.div_u (local.get $indirect) (i32.const 20))) (i64.const 40)))))

  ;; Alignment and offset of the first memory. With the index of a memory between them, it fails.
  (func $memory_argument
    (if (i32.lt_u (global.get $at) (global.get $end))
      (then
        (if (i32.and (i32.load8_u (global.get $at)) (i32.const 0x40))
          (then (global.set $fails (i32.const 1))))))
    (call $integer)
    (call $integer)))
