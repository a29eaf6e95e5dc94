package estimate

import (
	"math"
	"sync"
	"testing"
	"time"
)

const ms = time.Millisecond

func ok(latency time.Duration, rif int) Outcome { return Outcome{Latency: latency, RIF: rif} }

// feed sends n requests one after the other that all end alike, 10 ms apart.
func feed(h *Host, from time.Duration, n int, o Outcome) time.Duration {
	for range n {
		h.Begin(from)
		h.End(from+o.Latency, o)
		from += 10*ms + o.Latency
	}
	return from
}

func near(got, want, tolerance float64) bool { return math.Abs(got-want) <= tolerance*want }

func TestLatencyIsConditionedOnTheLoad(t *testing.T) {
	h := NewHost(Config{})
	if p := h.Predict(0, 1); p.Latency != 0 || p.Cost != 0 || p.Factor != 1 {
		t.Fatalf("a new host predicts %+v", p)
	}
	now := feed(h, 0, 100, ok(20*ms, 1))
	now = feed(h, now, 100, ok(60*ms, 10))
	now = feed(h, now, 100, ok(20*ms, 1))
	tests := []struct {
		rif      int
		from, to time.Duration // of the latency
	}{
		{0, 19 * ms, 21 * ms},
		{1, 19 * ms, 21 * ms},
		{5, 21 * ms, 55 * ms},
		{12, 55 * ms, 61 * ms},
		{100, 100 * ms, 900 * ms}, // beyond what was seen: as if it were full
	}
	for _, tt := range tests {
		p := h.Predict(now, tt.rif)
		if got := seconds(p.Latency); got < tt.from || got > tt.to {
			t.Errorf("rif %d: latency %v, want %v to %v", tt.rif, got, tt.from, tt.to)
		}
		if want := 2*p.Latency - h.Predict(now, 1).Latency; !near(p.Cost, want, 1e-6) {
			t.Errorf("rif %d: cost %v, want %v: waiting counts twice", tt.rif, p.Cost, want)
		}
	}
}

// A clock that is too coarse to see the time pass does not make a host unknown.
func TestNoTimeAtAll(t *testing.T) {
	h := NewHost(Config{})
	feed(h, 0, 10, ok(0, 1))
	if p := h.Predict(0, 1); p.Latency <= 0 || p.Cost <= 0 {
		t.Errorf("%+v, want a latency above 0", p)
	}
}

// A busy host of which only the busy time is known is not guessed to be faster
// when idle, and twice the known load is explored without a surcharge.
func TestGuesses(t *testing.T) {
	h := NewHost(Config{})
	now := feed(h, 0, 50, ok(20*ms, 5))
	for _, rif := range []int{1, 3, 6, 12} {
		if l := h.Predict(now, rif).Latency; !near(l, 0.02, 0.01) {
			t.Errorf("rif %d: %v, want 20 ms", rif, seconds(l))
		}
	}
	if l := h.Predict(now, 48).Latency; !near(l, 0.08, 0.01) {
		t.Errorf("rif 48: %v, want 80 ms", seconds(l))
	}
}

func TestPastFades(t *testing.T) {
	h := NewHost(Config{})
	now := feed(h, 0, 1000, ok(10*ms, 1))
	now = feed(h, now, 100, ok(100*ms, 1))
	if l := h.Predict(now, 1).Latency; l < 0.07 {
		t.Errorf("after 100 slow answers: %v, want at least 70 ms", seconds(l))
	}
	h = NewHost(Config{})
	now = feed(h, 0, 1000, ok(10*ms, 1)) + 50*time.Second
	now = feed(h, now, 1, ok(40*ms, 1))
	if l := h.Predict(now, 1).Latency; l < 0.03 {
		t.Errorf("one slow answer after 50 s: %v, want at least 30 ms", seconds(l))
	}
}

// Fast failures do not make a host look fast.
func TestFailures(t *testing.T) {
	h := NewHost(Config{})
	now := feed(h, 0, 100, ok(20*ms, 1))
	before := h.Predict(now, 1)
	now = feed(h, now, 50, Outcome{Kind: Failure, Latency: ms, RIF: 1})
	after := h.Predict(now, 1)
	if after.Latency < before.Latency {
		t.Errorf("failures lowered the latency from %v to %v", before.Latency, after.Latency)
	}
	if after.Factor < 10 {
		t.Errorf("factor %v after 50 failures, want at least 10", after.Factor)
	}
	if rate := h.Snapshot(now).SuccessRate; rate < 0.3 || rate > 0.7 {
		t.Errorf("success rate %v, want about half", rate)
	}
	feed(h, now, 1000, ok(20*ms, 1))
	if f := h.Factor(); f > 1.2 {
		t.Errorf("factor %v after 1000 successes, want nearly 1", f)
	}
	h = NewHost(Config{})
	now = feed(h, 0, 50, Outcome{Kind: Failure, Latency: ms, RIF: 1})
	if p := h.Predict(now, 1); p.Latency != 0 || p.Factor < 500 {
		t.Errorf("only failures: %+v, want an unknown latency and a high factor", p)
	}
}

func TestTimeoutsRaise(t *testing.T) {
	h := NewHost(Config{})
	now := feed(h, 0, 100, ok(20*ms, 1))
	feed(h, now, 5, Outcome{Kind: Failure, Latency: 3 * time.Second, RIF: 1})
	if l := h.Predict(now, 1).Latency; l < 0.028 {
		t.Errorf("latency %v after five time-outs of 3 s, want clearly more than 20 ms", l)
	}
}

// A long poll now and then does not make a host look slow, nor do many that end
// after the host has had nothing else for a while.
func TestLongPolls(t *testing.T) {
	h := NewHost(Config{})
	now := feed(h, 0, 1000, ok(20*ms, 20))
	now = feed(h, now, 1, ok(20*time.Second, 20))
	if l := h.Predict(now, 20).Latency; l > 0.025 {
		t.Errorf("latency %v after a long poll, want about 20 ms", seconds(l))
	}
	// An answer to what left long ago neither brings a trial forward
	if n := pass(h, now, 1000); n != 1 {
		t.Fatalf("%d trials long after the last answer, want 1", n)
	}
	h.End(now, ok(ms, 20))
	h.End(now, ok(20*time.Second, 20))
	if n := pass(h, now+time.Second, 1000); n != 0 {
		t.Errorf("%d trials soon after an answer, because of the end of a long poll", n)
	}
	// nor puts it off.
	for range 10 {
		now += time.Second
		h.End(now, ok(20*time.Second, 20))
	}
	if n := pass(h, now, 1000); n != 1 {
		t.Errorf("%d trials between the ends of long polls, want 1", n)
	}
}

// What trials say of one request at a time is believed of many as well.
func TestTrialsMoveTheWholeCurve(t *testing.T) {
	h := NewHost(Config{})
	now := feed(h, 0, 100, ok(time.Second, 1))
	now = feed(h, now, 100, ok(2*time.Second, 10)) + 5*time.Second
	pass(h, now, passes-1)
	for h.Trial(now, false, 1) {
		h.Begin(now)
		now += 20 * ms
		h.End(now, ok(20*ms, 1))
	}
	if l := h.Predict(now, 12).Latency; l > 0.1 {
		t.Errorf("latency %v with 12 requests after trials of 20 ms, want less than 100 ms", seconds(l))
	}
}

func TestCanceledOnlyRaises(t *testing.T) {
	h := NewHost(Config{})
	now := feed(h, 0, 100, ok(20*ms, 1))
	before := h.Predict(now, 1)
	now = feed(h, now, 100, Outcome{Kind: Canceled, Latency: ms, RIF: 1})
	before.Samples = h.Predict(now, 1).Samples // they fade with the time
	if after := h.Predict(now, 1); after != before {
		t.Errorf("early cancellations: %+v, want %+v", after, before)
	}
	now = feed(h, now, 10, Outcome{Kind: Canceled, Latency: 2 * time.Second, RIF: 1})
	if after := h.Predict(now, 1); after.Latency < 0.05 || after.Factor != before.Factor {
		t.Errorf("late cancellations: %+v, want at least 50 ms and the factor unchanged", after)
	}
}

func TestSilence(t *testing.T) {
	h := NewHost(Config{})
	now := feed(h, 0, 100, ok(20*ms, 1))
	h.Begin(now)
	if l := h.Predict(now+50*ms, 2).Latency; !near(l, 0.02, 0.01) {
		t.Errorf("after 50 ms without an answer: %v, want 20 ms as before", seconds(l))
	}
	if l := h.Predict(now+500*ms, 2).Latency; !near(l, 0.5, 0.01) {
		t.Errorf("after 500 ms without an answer: %v, want 500 ms", seconds(l))
	}
	// Another answer shows that the host is alive: the first is just a long one.
	h.Begin(now + 500*ms)
	h.End(now+520*ms, ok(20*ms, 2))
	if l := h.Predict(now+time.Hour, 2).Latency; !near(l, 0.02, 0.01) {
		t.Errorf("with one long request: %v, want 20 ms", seconds(l))
	}
}

// pass lets n requests go past, and counts the trials.
func pass(h *Host, now time.Duration, n int) (granted int) {
	for range n {
		if h.Trial(now, false, 1) {
			granted++
		}
	}
	return granted
}

func TestTrials(t *testing.T) {
	h := NewHost(Config{})
	now := feed(h, 0, 100, ok(200*ms, 1))
	if n := pass(h, now, 1000); n != 0 {
		t.Fatalf("%d trials while the estimate is fresh", n)
	}
	now += 5 * time.Second
	if n := pass(h, now, passes-1); n != 0 {
		t.Fatalf("%d trials before enough requests have gone past", n)
	}
	if n := pass(h, now, 1000); n != 1 {
		t.Fatalf("%d trials at a time, want 1", n)
	}
	h.Begin(now)
	if n := pass(h, now+4*time.Second, 1000); n != 0 {
		t.Fatalf("%d trials while one is in flight", n)
	}
	// As slow as before: the next must wait.
	h.End(now+200*ms, ok(200*ms, 1))
	if n := pass(h, now+time.Second, 1000); n != 0 {
		t.Fatalf("%d trials soon after a bad one", n)
	}
	// Fast again: one trial follows another, and the estimate falls.
	now += 10 * time.Second
	trials := 0
	pass(h, now, passes-1)
	for h.Trial(now, false, 1) {
		trials++
		h.Begin(now)
		now += 20 * ms
		h.End(now, ok(20*ms, 1))
	}
	if l := h.Predict(now, 1).Latency; trials > 30 || l > 0.04 {
		t.Errorf("%d trials and %v, want at most 30 until 40 ms", trials, seconds(l))
	}
}

func TestTrialsAfterFailures(t *testing.T) {
	h := NewHost(Config{})
	now := feed(h, 0, 300, Outcome{Kind: Failure, Latency: ms, RIF: 1, RetryAfter: 10 * time.Second})
	if n := pass(h, now+9*time.Second, 1000); n != 0 {
		t.Fatalf("%d trials before Retry-After", n)
	}
	now += 10 * time.Second
	trials := 0
	pass(h, now, passes-1)
	for h.Trial(now, false, 1) {
		trials++
		h.Begin(now)
		now += 20 * ms
		h.End(now, ok(20*ms, 1))
	}
	if f := h.Factor(); f > 1+alike || trials > 30 {
		t.Errorf("factor %v after %d successful trials, want at most %v after 30", f, trials, 1+alike)
	}
	feed(h, now, 10, Outcome{Kind: Failure, RIF: 1, RetryAfter: 24 * time.Hour})
	if n := pass(h, now+6*time.Minute, 1000); n != 1 {
		t.Errorf("%d trials after 6 min, want 1: Retry-After is bounded", n)
	}
}

// What was sent before the trial does not count as its answer, and a trial of which
// nothing is heard is followed by another.
func TestTrialThatHangs(t *testing.T) {
	h := NewHost(Config{})
	now := feed(h, 0, 100, ok(200*ms, 1))
	h.Begin(now) // hangs
	now += 10 * time.Second
	if n := pass(h, now, 1000); n != 1 {
		t.Fatalf("%d trials with an old request in flight, want 1", n)
	}
	h.Begin(now)
	h.End(now+ms, ok(10*time.Second+ms, 1)) // the old one
	if n := pass(h, now+20*time.Second, 1000); n != 0 {
		t.Errorf("%d trials while one is in flight", n)
	}
	if n := pass(h, now+31*time.Second, 1000); n != 1 {
		t.Errorf("%d trials after %v, want 1", n, patience)
	}
}

// While the others are strained, a trial does not wait until it is due, but for what the
// host asked for; a good answer ends that.
func TestUrgentTrials(t *testing.T) {
	h := NewHost(Config{})
	now := feed(h, 0, 100, ok(200*ms, 1))
	urgent := func(n int) (granted int) {
		for range n {
			if h.Trial(now, true, 1) {
				granted++
				h.Begin(now)
			}
		}
		return granted
	}
	if n := urgent(urgentPasses - 1); n != 0 {
		t.Errorf("%d trials before enough requests have gone past", n)
	}
	if n := urgent(1000); n != 1 {
		t.Errorf("%d trials at a time, want 1", n)
	}
	h.End(now, Outcome{Kind: Failure, RIF: 1, RetryAfter: 10 * time.Second})
	now = feed(h, now, 10, Outcome{Kind: Failure, RIF: 1}) // which ask for nothing
	if n := urgent(1000); n != 0 {
		t.Errorf("%d trials before Retry-After", n)
	}
	now += 10 * time.Second
	if n := urgent(1000); n != 1 {
		t.Errorf("%d trials after Retry-After, want 1", n)
	}
}

func TestStrained(t *testing.T) {
	h := NewHost(Config{})
	now := feed(h, 0, 50, ok(20*ms, 1))
	now = feed(h, now, 50, ok(20*ms, 4))
	now = feed(h, now, 50, ok(60*ms, 12))
	for rif, want := range map[int]bool{1: false, 4: false, 12: true} {
		if p := h.Predict(now, rif); p.Strained() != want {
			t.Errorf("rif %d: %+v, strained %v", rif, p, !want)
		}
	}
}

// Few requests: a trial comes after some minutes even if fewer have gone past.
func TestTrialWithFewRequests(t *testing.T) {
	h := NewHost(Config{})
	now := feed(h, 0, 10, ok(200*ms, 1))
	if n := pass(h, now+time.Minute, 1); n != 0 {
		t.Error("a trial after a minute")
	}
	if n := pass(h, now+6*time.Minute, 1); n != 1 {
		t.Error("no trial after six minutes")
	}
}

func TestAllocations(t *testing.T) {
	h := NewHost(Config{})
	now := time.Duration(0)
	if n := testing.AllocsPerRun(100, func() {
		now += ms
		h.Begin(now)
		h.Predict(now, 3)
		h.End(now, ok(ms, 3))
	}); n != 0 {
		t.Errorf("%v allocations per request, want 0", n)
	}
}

func TestConcurrent(t *testing.T) {
	h := NewHost(Config{})
	const goroutines, each = 8, 1000
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for k := range each {
				now := time.Duration(k) * ms
				h.Trial(now, false, 1)
				h.Begin(now)
				if p := h.Predict(now, g); p.Factor < 1 || p.Latency < 0 {
					t.Errorf("%+v", p)
				}
				h.End(now, Outcome{Kind: Kind(k % 3), Latency: ms, RIF: g})
				h.Snapshot(now)
			}
		})
	}
	wg.Wait()
	if h.Waiting() != 0 || h.Ended() != goroutines*each {
		t.Errorf("%d waiting, %d ended", h.Waiting(), h.Ended())
	}
}

// Whatever happens, predictions are finite, never below zero, and never fall as
// the load grows; latencies stay within what was seen, where something was seen.
func FuzzHost(f *testing.F) {
	f.Add([]byte{0, 1, 10, 1, 1, 200, 2, 9, 255, 0, 120, 3})
	f.Add([]byte{1, 0, 0, 1, 255, 255})
	f.Add([]byte("0\x0000000000\x1c1")) // a gap below buckets of one value
	f.Fuzz(func(t *testing.T, script []byte) {
		h := NewHost(Config{})
		now, highest, lowest := time.Duration(0), 0.0, math.Inf(1)
		for ; len(script) >= 3; script = script[3:] {
			kind, rif := Kind(script[0]%3), int(script[1])
			latency := time.Duration(script[2]) * time.Duration(script[2]) * ms / 10
			if script[0]&16 != 0 {
				h.Trial(now, false, 1)
			}
			h.Begin(now)
			h.End(now+latency, Outcome{Kind: kind, Latency: latency, RIF: rif})
			now += latency + time.Duration(script[0])*10*ms
			highest, lowest = max(highest, latency.Seconds()), min(lowest, latency.Seconds())
		}
		last := Prediction{}
		for rif := 0; rif < 5000; rif += 1 + rif/16 {
			p := h.Predict(now, rif)
			if math.IsNaN(p.Cost) || math.IsInf(p.Cost, 0) || p.Factor < 1 || p.Factor > 1+failureCost*1000 {
				t.Fatalf("rif %d: %+v", rif, p)
			}
			if p.Latency < last.Latency*(1-1e-5) || p.Cost < last.Cost*(1-1e-5) {
				t.Fatalf("rif %d: %+v after %+v", rif, p, last)
			}
			if p.Latency > 0 && p.Latency < lowest*(1-1e-5) {
				t.Fatalf("rif %d: %v below the lowest seen, %v", rif, p.Latency, lowest)
			}
			last = p
		}
		if p := h.Predict(now, 1); p.Latency > highest*(1+1e-5) {
			t.Fatalf("idle latency %v above the highest seen, %v", p.Latency, highest)
		}
	})
}
