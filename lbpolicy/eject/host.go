package eject

import (
	"math"
	"sync/atomic"
	"time"
)

// Host is one host as the detector of its pool sees it.
type Host struct {
	detector *Detector
	times    int // recent ejections; guarded by detector.mu

	// Of this interval.
	total, failed atomic.Int64
	latency       atomic.Int64 // sum over the successes, in nanoseconds

	consecutive atomic.Int64
	rate        atomic.Uint64 // float64: the failed part of the last few dozen requests
	until       atomic.Int64  // end of the ejection plus 1; 0 while the host is in
	claimed     atomic.Int64  // when the trial request left, plus 1; or 0
	why         atomic.Uint32
}

// Report notes what became of a request. latency is the time since its dispatch.
func (h *Host) Report(now time.Duration, failed bool, latency time.Duration) {
	h.detector.sweepIfDue(now)
	if until := h.until.Load(); until != 0 {
		h.reportTrial(now, failed, now-latency)
		return
	}
	h.total.Add(1)
	h.updateRate(failed)
	if !failed {
		h.latency.Add(int64(latency))
		h.consecutive.Store(0)
		return
	}
	h.failed.Add(1)
	if row, most := h.consecutive.Add(1), h.detector.cfg.Consecutive; most > 0 && row >= int64(most) {
		h.detector.failedInARow(h, now, row)
	}
}

// updateRate keeps a moving average. Of two reports at once, one may be lost.
func (h *Host) updateRate(failed bool) {
	rate := h.failureRate()
	if failed {
		rate += (1 - rate) * recent
	} else {
		rate -= rate * recent
	}
	h.rate.Store(math.Float64bits(rate))
}

func (h *Host) failureRate() float64 { return math.Float64frombits(h.rate.Load()) }

// failing is how likely the host is to fail now: an outage shows in a row of
// failures before it shows in the rate.
func (h *Host) failing() float64 {
	row := float64(h.consecutive.Load())
	return max(h.failureRate(), row/(row+2))
}

// reportTrial takes the outcome of the trial. What left before it, when the host
// was not yet out, says nothing.
func (h *Host) reportTrial(now time.Duration, failed bool, sent time.Duration) {
	claimed := h.claimed.Load()
	if claimed == 0 || int64(sent)+1 < claimed {
		return
	}
	h.detector.mu.Lock()
	defer h.detector.mu.Unlock()
	if !h.claimed.CompareAndSwap(claimed, 0) {
		return
	}
	if failed && h.detector.eject(h, now, FailedTrial) {
		return
	}
	h.forget()
	h.until.Store(0)
	h.why.Store(uint32(None))
}

func (h *Host) forget() {
	h.total.Store(0)
	h.failed.Store(0)
	h.latency.Store(0)
	h.consecutive.Store(0)
	h.rate.Store(0)
}

func (h *Host) out() bool { return h.until.Load() != 0 }

// Available reports whether the host may be chosen now: it is not ejected, or
// its time is over and no trial request is in flight.
func (h *Host) Available(now time.Duration) bool {
	until := h.until.Load()
	return until == 0 || int64(now) >= until-1 && h.unclaimed(now, h.claimed.Load())
}

// Claim must be asked before a request is sent to the host that was chosen. It
// is false if somebody else's request is the trial: choose another host.
func (h *Host) Claim(now time.Duration) bool {
	if h.until.Load() == 0 {
		return true
	}
	if !h.Available(now) {
		return false
	}
	claimed := h.claimed.Load()
	return h.unclaimed(now, claimed) && h.claimed.CompareAndSwap(claimed, int64(now)+1)
}

// unclaimed reports whether there is no trial in flight. A trial of which nothing
// was heard for as long as an ejection lasts was never sent.
func (h *Host) unclaimed(now time.Duration, claimed int64) bool {
	return claimed == 0 || int64(now) >= claimed-1+int64(h.detector.cfg.Base)
}

// Ejected says why the host is out, or [None], and for how much longer; a
// host whose time is over stays out until its trial succeeds.
func (h *Host) Ejected(now time.Duration) (why Reason, left time.Duration) {
	until := h.until.Load()
	if until == 0 {
		return None, 0
	}
	return Reason(h.why.Load()), max(0, time.Duration(until-1)-now)
}

// Ejections is how often the host was ejected recently.
func (h *Host) Ejections() int {
	h.detector.mu.Lock()
	defer h.detector.mu.Unlock()
	return h.times
}
