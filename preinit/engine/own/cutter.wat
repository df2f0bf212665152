;; Cuts a memory into data segments, see cutter.py. The memory comes in windows, each a copy of a part of it.
;;
;; 0x000000  the window, 1 MiB
;; 0x100000  where runs start: an i64 for each, at most 262,144 of them
;; 0x300000  where they end
;; 0x500000  segments: a window, and the headers of all that start in it
(module
  (memory (export "memory") 0x90)

  ;; -- costs --------------------------------------------------------------------------------------------------------

  (global $gap (mut i64) (i64.const 0))     ;; zeros, from which on they may be left out
  (global $price (mut i64) (i64.const 0))   ;; of a segment, besides its header
  (global $in_a_row (mut i64) (i64.const 0)) ;; the same where zeros are as many as those that were kept last
  (global $fixed (mut i64) (i64.const 0))   ;; bytes of a header, but for its offset and its length
  (global $sign (mut i64) (i64.const 0))    ;; the first offset that is negative as a signed number

  ;; -- where it is ----------------------------------------------------------------------------------------------------

  (global $part (mut i64) (i64.const -1))   ;; the part that is read: where it starts, or none
  (global $seen (mut i64) (i64.const 0))    ;; where the last byte that is not zero ended
  (global $start (mut i64) (i64.const -1))  ;; the run that may still grow, or none
  (global $end (mut i64) (i64.const 0))
  (global $kept (mut i64) (i64.const -1))   ;; zeros that it kept last
  (global $out (mut i32) (i32.const 0))     ;; where the next run is told, in bytes from the first

  ;; The first word that is read is far from the last one.
  (func (export "begin") (param $gap i64) (param $price i64) (param $in_a_row i64) (param $fixed i64) (param $sign i64)
    (global.set $gap (local.get $gap))
    (global.set $price (local.get $price))
    (global.set $in_a_row (local.get $in_a_row))
    (global.set $fixed (local.get $fixed))
    (global.set $sign (local.get $sign))
    (global.set $part (i64.const -1))
    (global.set $seen (i64.const -0x4000000000000000))
    (global.set $start (i64.const -1))
    (global.set $kept (i64.const -1)))

  ;; Reads $size bytes of the window, a multiple of 8, that are those at $base of the memory. Gives the number of runs
  ;; that have ended.
  (func (export "cut") (param $base i64) (param $size i32) (result i64)
    (local $at i32) (local $word i64) (local $place i64) (local $first i64)
    (local $part i64) (local $seen i64) (local $gap i64)
    (local.set $part (global.get $part))
    (local.set $seen (global.get $seen))
    (local.set $gap (global.get $gap))
    (global.set $out (i32.const 0))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $size)))
        (if (i64.eqz (local.tee $word (i64.load (local.get $at))))
          (then
            (loop $zeros
              (local.set $at (i32.add (local.get $at) (i32.const 8)))
              (br_if $done (i32.ge_u (local.get $at) (local.get $size)))
              (br_if $zeros (i64.eqz (local.tee $word (i64.load (local.get $at))))))))
        (local.set $place (i64.add (local.get $base) (i64.extend_i32_u (local.get $at))))
        (local.set $first (i64.add (local.get $place) (i64.shr_u (i64.ctz (local.get $word)) (i64.const 3))))
        (if (i64.ge_s (i64.sub (local.get $first) (local.get $seen)) (local.get $gap))
          (then
            (if (i64.ge_s (local.get $part) (i64.const 0))
              (then (call $end_part (local.get $part) (local.get $seen))))
            (local.set $part (local.get $first))))
        ;; Within a word, 6 zeros are the most that lie between two other bytes, and no gap is shorter.
        (if (i64.le_s (local.get $gap) (i64.const 6))
          (then
            (if (i64.eqz (i64.and (local.get $word) (i64.const 0x00ffffffffffff00)))
              (then
                (if (i64.gt_u (local.get $word) (i64.const 0xff))
                  (then
                    (if (i64.ne (i64.and (local.get $word) (i64.const 0xff)) (i64.const 0))
                      (then
                        (call $end_part (local.get $part) (i64.add (local.get $place) (i64.const 1)))
                        (local.set $part (i64.add (local.get $place) (i64.const 7)))))))))))
        (local.set $seen
          (i64.sub
            (i64.add (local.get $place) (i64.const 8))
            (i64.shr_u (i64.clz (local.get $word)) (i64.const 3))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $next)))
    (global.set $part (local.get $part))
    (global.set $seen (local.get $seen))
    (i64.extend_i32_u (i32.shr_u (global.get $out) (i32.const 3))))

  ;; All was read. Gives the number of runs that were left, at most 2.
  (func (export "end") (result i64)
    (global.set $out (i32.const 0))
    (if (i64.ge_s (global.get $part) (i64.const 0))
      (then
        (call $end_part (global.get $part) (global.get $seen))
        (call $end_run)))
    (i64.extend_i32_u (i32.shr_u (global.get $out) (i32.const 3))))

  ;; A part without a gap: it belongs to the run before it where a segment of its own would cost more than the zeros.
  (func $end_part (param $from i64) (param $to i64)
    (local $zeros i64) (local $split i64) (local $merged i64)
    (if (i64.ge_s (global.get $start) (i64.const 0))
      (then
        (local.set $zeros (i64.sub (local.get $from) (global.get $end)))
        (local.set $split
          (i64.add
            (i64.add (global.get $fixed) (call $offset_size (local.get $from)))
            (call $length_size (i64.sub (local.get $to) (local.get $from)))))
        (local.set $merged
          (i64.sub
            (i64.add (local.get $zeros) (call $length_size (i64.sub (local.get $to) (global.get $start))))
            (call $length_size (i64.sub (global.get $end) (global.get $start)))))
        (if (i64.le_s
              (local.get $merged)
              (i64.add
                (local.get $split)
                (select
                  (global.get $in_a_row) (global.get $price) (i64.eq (local.get $zeros) (global.get $kept)))))
          (then
            (global.set $end (local.get $to))
            (global.set $kept (local.get $zeros))
            (return)))
        (call $end_run)))
    (global.set $start (local.get $from))
    (global.set $end (local.get $to))
    (global.set $kept (i64.const -1)))

  (func $end_run
    (i64.store offset=0x100000 (global.get $out) (global.get $start))
    (i64.store offset=0x300000 (global.get $out) (global.get $end))
    (global.set $out (i32.add (global.get $out) (i32.const 8))))

  ;; Bytes of a length as unsigned LEB128.
  (func $length_size (param $number i64) (result i64)
    (i64.div_u
      (i64.sub (i64.const 70) (i64.clz (i64.or (local.get $number) (i64.const 1))))
      (i64.const 7)))

  ;; Bytes of an offset as signed LEB128: one bit more than the number has, or its complement if it is negative.
  (func $offset_size (param $offset i64) (result i64)
    (if (i64.ge_u (local.get $offset) (global.get $sign))
      (then
        (local.set $offset
          (i64.sub (i64.sub (i64.shl (global.get $sign) (i64.const 1)) (i64.const 1)) (local.get $offset)))))
    (i64.div_u (i64.sub (i64.const 71) (i64.clz (local.get $offset))) (i64.const 7)))

  ;; -- writing --------------------------------------------------------------------------------------------------------

  (global $run (mut i32) (i32.const 0))     ;; the next one, in bytes from the first
  (global $runs (mut i32) (i32.const 0))    ;; where they end
  (global $head (mut i64) (i64.const 0))    ;; what comes before an offset, and how many bytes that has
  (global $head_size (mut i32) (i32.const 0))

  (func (export "begin_writing") (param $runs i32) (param $head i64) (param $head_size i32) (param $sign i64)
    (global.set $run (i32.const 0))
    (global.set $runs (i32.shl (local.get $runs) (i32.const 3)))
    (global.set $head (local.get $head))
    (global.set $head_size (local.get $head_size))
    (global.set $sign (local.get $sign)))

  ;; Writes what segments have of the window, whose $size bytes are those at $base. Gives how many bytes that are.
  (func (export "write") (param $base i64) (param $size i64) (result i64)
    (local $from i64) (local $to i64) (local $part i32) (local $limit i64) (local $low i64)
    (global.set $out (i32.const 0x500000))
    (local.set $limit (i64.add (local.get $base) (local.get $size)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (global.get $run) (global.get $runs)))
        (local.set $from (i64.load offset=0x100000 (global.get $run)))
        (local.set $to (i64.load offset=0x300000 (global.get $run)))
        (br_if $done (i64.ge_u (local.get $from) (local.get $limit)))
        (if (i64.ge_u (local.get $from) (local.get $base))
          (then (call $header (local.get $from) (i64.sub (local.get $to) (local.get $from)))))
        (local.set $low (select (local.get $from) (local.get $base) (i64.gt_u (local.get $from) (local.get $base))))
        (local.set $part
          (i32.wrap_i64
            (i64.sub
              (select (local.get $to) (local.get $limit) (i64.lt_u (local.get $to) (local.get $limit)))
              (local.get $low))))
        (memory.copy
          (global.get $out) (i32.wrap_i64 (i64.sub (local.get $low) (local.get $base))) (local.get $part))
        (global.set $out (i32.add (global.get $out) (local.get $part)))
        (br_if $done (i64.gt_u (local.get $to) (local.get $limit)))
        (global.set $run (i32.add (global.get $run) (i32.const 8)))
        (br $next)))
    (i64.extend_i32_u (i32.sub (global.get $out) (i32.const 0x500000))))

  (func $header (param $offset i64) (param $length i64)
    (local $low i64)
    (i64.store (global.get $out) (global.get $head))
    (global.set $out (i32.add (global.get $out) (global.get $head_size)))
    (if (i64.ge_u (local.get $offset) (global.get $sign))
      (then
        (local.set $offset
          (i64.sub (local.get $offset) (i64.shl (global.get $sign) (i64.const 1))))))
    (block $done
      (loop $more
        (local.set $low (i64.and (local.get $offset) (i64.const 0x7f)))
        (local.set $offset (i64.shr_s (local.get $offset) (i64.const 7)))
        ;; The last byte's sixth bit is the sign.
        (br_if $done
          (i64.eq
            (local.get $offset)
            (i64.sub (i64.const 0) (i64.shr_u (local.get $low) (i64.const 6)))))
        (call $byte (i64.or (local.get $low) (i64.const 0x80)))
        (br $more)))
    (call $byte (local.get $low))
    (call $byte (i64.const 0x0b))
    (loop $more
      (local.set $low (i64.and (local.get $length) (i64.const 0x7f)))
      (local.set $length (i64.shr_u (local.get $length) (i64.const 7)))
      (if (i64.ne (local.get $length) (i64.const 0))
        (then
          (call $byte (i64.or (local.get $low) (i64.const 0x80)))
          (br $more))))
    (call $byte (local.get $low)))

  (func $byte (param $byte i64)
    (i64.store8 (global.get $out) (local.get $byte))
    (global.set $out (i32.add (global.get $out) (i32.const 1)))))
