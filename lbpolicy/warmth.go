package lbpolicy

import (
	"math"
	"sync/atomic"
	"time"
)

// warmth is since when an upstream has been in without interruption, for slow
// start. The zero value has been in forever: when Caddy starts, all upstreams
// are equally new, and nothing would be gained by holding all of them back.
type warmth struct {
	since atomic.Int64 // on the clock, plus 1; 0: forever
	out   atomic.Bool
}

// appear notes an upstream that comes to others that are there already.
func (w *warmth) appear(now time.Duration) { w.since.Store(int64(now) + 1) }

// age is how long the upstream has been in; in says whether it is now.
func (w *warmth) age(now time.Duration, in bool) time.Duration {
	if !in {
		if !w.out.Load() {
			w.out.Store(true)
		}
		return 0
	}
	if w.out.Load() && w.out.CompareAndSwap(true, false) {
		w.appear(now)
	}
	since := w.since.Load()
	if since == 0 {
		return math.MaxInt64
	}
	return now - time.Duration(since-1)
}
