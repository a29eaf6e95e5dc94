package eject

import (
	"sync"
	"testing"
	"time"
)

const ms = time.Millisecond

// play reports requests evenly over intervals: for each host the failed part in
// percent, and the latency.
type behaviour struct {
	requests, failPercent int
	latency               time.Duration
}

func play(d *Detector, hosts []*Host, intervals int, from time.Duration, all []behaviour) time.Duration {
	now := from
	for range intervals {
		most := 0
		for _, b := range all {
			most = max(most, b.requests)
		}
		for k := range most {
			now = from + time.Duration(k+1)*d.cfg.Interval/time.Duration(most+1)
			for i, b := range all {
				if k < b.requests && hosts[i].Available(now) {
					// Spread failures: the k-th fails if it passes a multiple.
					failed := (k+1)*b.failPercent/100 > k*b.failPercent/100
					hosts[i].Report(now, failed, b.latency)
				}
			}
		}
		from += d.cfg.Interval
	}
	hosts[0].detector.sweepIfDue(from + d.cfg.Interval)
	return from
}

func pool(cfg Config, n int) (*Detector, []*Host) {
	d := New(cfg)
	hosts := make([]*Host, n)
	for i := range hosts {
		hosts[i] = d.Add()
	}
	return d, hosts
}

func TestOutliers(t *testing.T) {
	good := behaviour{200, 0, 20 * ms}
	tests := []struct {
		name string
		cfg  Config
		all  []behaviour
		want map[int]Reason
	}{
		{"all well", Config{}, []behaviour{good, good, good}, nil},
		{"one of two fails half", Config{}, []behaviour{{200, 50, 20 * ms}, good}, map[int]Reason{0: SuccessRate}},
		{"one of three fails half", Config{}, []behaviour{good, {200, 50, 20 * ms}, good}, map[int]Reason{1: SuccessRate}},
		{"one of five fails a quarter", Config{}, []behaviour{good, good, good, good, {200, 25, 20 * ms}}, map[int]Reason{4: SuccessRate}},
		{"a tenth is within the margin", Config{}, []behaviour{{200, 10, 20 * ms}, good, good}, nil},
		{"all fail half: it is not the hosts", Config{}, []behaviour{{200, 50, 20 * ms}, {200, 50, 20 * ms}, {200, 50, 20 * ms}}, nil},
		{"too few requests to tell", Config{}, []behaviour{{19, 50, 20 * ms}, good, good}, nil},
		{"margin off", Config{Margin: -1}, []behaviour{{200, 50, 20 * ms}, good, good}, nil},
		{"failure percentage", Config{Margin: -1, FailurePercent: 40, Consecutive: -1}, []behaviour{{200, 60, 20 * ms}, good, good}, map[int]Reason{0: FailurePercentage}},
		{
			"failure percentage, but all do",
			Config{FailurePercent: 40, Consecutive: -1},
			[]behaviour{{200, 60, 20 * ms}, {200, 60, 20 * ms}, {200, 60, 20 * ms}},
			nil,
		},
		{"slower is off by default", Config{}, []behaviour{{200, 0, 900 * ms}, good, good}, nil},
		{"slower", Config{Slower: 3}, []behaviour{{200, 0, 100 * ms}, good, good}, map[int]Reason{0: Latency}},
		{"slower, but not enough", Config{Slower: 3}, []behaviour{{200, 0, 50 * ms}, good}, nil},
		{
			"the worst go first, and half may go",
			Config{},
			[]behaviour{{200, 40, 20 * ms}, {200, 60, 20 * ms}, {200, 0, 20 * ms}, good, good, {200, 50, 20 * ms}, good, good},
			map[int]Reason{0: SuccessRate, 1: SuccessRate, 5: SuccessRate},
		},
		{
			"a quarter may go",
			Config{MaxEjected: 0.25},
			[]behaviour{{200, 40, 20 * ms}, {200, 60, 20 * ms}, good, good, good, {200, 50, 20 * ms}, good, good},
			map[int]Reason{1: SuccessRate, 5: SuccessRate},
		},
		{
			"large pools differ anyway",
			Config{},
			[]behaviour{{200, 35, 20 * ms}, {200, 0, 20 * ms}, {200, 30, 20 * ms}, {200, 15, 20 * ms}, {200, 5, 20 * ms}, {200, 10, 20 * ms}, {200, 25, 20 * ms}},
			nil,
		},
		{
			"all but one may go",
			Config{MaxEjected: 1, Consecutive: -1},
			[]behaviour{{200, 90, 20 * ms}, good, {200, 90, 20 * ms}, good, good},
			map[int]Reason{0: FailurePercentage, 2: FailurePercentage},
		},
		{"the only host never goes", Config{}, []behaviour{{200, 100, 20 * ms}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, hosts := pool(tt.cfg, len(tt.all))
			now := play(d, hosts, 1, 0, tt.all)
			for i, h := range hosts {
				if why, _ := h.Ejected(now); why != tt.want[i] {
					t.Errorf("host %d: ejected for %v, want %v", i, why, tt.want[i])
				}
			}
		})
	}
}

func TestConsecutiveFailures(t *testing.T) {
	_, hosts := pool(Config{}, 2)
	a, b := hosts[0], hosts[1]
	for range 4 {
		a.Report(ms, true, ms)
	}
	a.Report(ms, false, ms)
	for i := range 5 {
		if why, _ := a.Ejected(ms); why != None {
			t.Fatalf("ejected after %d failures in a row", i)
		}
		b.Report(ms, false, ms)
		a.Report(2*ms, true, ms)
	}
	if why, left := a.Ejected(2 * ms); why != ConsecutiveFailures || left != 10*time.Second {
		t.Errorf("ejected for %v, %v left, want consecutive_failures, 10s", why, left)
	}
	if a.Available(time.Second) || a.Claim(time.Second) {
		t.Error("an ejected host is available")
	}
}

// When everything fails, nothing is ejected, however the failures interleave.
func TestOutageOfAll(t *testing.T) {
	d, hosts := pool(Config{}, 4)
	for k := range 100 {
		for i, h := range hosts {
			h.Report(time.Duration(k)*ms+time.Duration(i), true, ms)
		}
	}
	play(d, hosts, 2, time.Second, []behaviour{{200, 100, ms}, {200, 100, ms}, {200, 100, ms}, {200, 100, ms}})
	for i, h := range hosts {
		if h.out() {
			t.Errorf("host %d was ejected in an outage of all", i)
		}
	}
}

// A host comes back by one successful trial; a failed one ejects it for longer,
// up to the maximum.
func TestTrial(t *testing.T) {
	_, hosts := pool(Config{Consecutive: 1, Base: 10 * time.Second, Max: 25 * time.Second}, 2)
	a := hosts[0]
	now := time.Second
	hosts[1].Report(now, false, ms)
	a.Report(now, true, ms)
	for _, lasts := range []time.Duration{10, 20, 25, 25} {
		_, left := a.Ejected(now)
		if left != lasts*time.Second {
			t.Fatalf("ejected for %v, want %v s", left, int(lasts))
		}
		if a.Available(now + left - 1) {
			t.Fatal("available before the time is over")
		}
		now += left
		// What left before the trial says nothing.
		a.Report(now, false, time.Minute)
		if !a.Available(now) || !a.Claim(now) {
			t.Fatal("no trial when the time is over")
		}
		if a.Available(now) || a.Claim(now) {
			t.Fatal("a second trial while one is in flight")
		}
		a.Report(now+2*ms, false, time.Minute)
		if why, _ := a.Ejected(now); why == None {
			t.Fatal("an old request brought the host back")
		}
		now += 5 * ms
		a.Report(now, true, 5*ms)
	}
	_, left := a.Ejected(now)
	now += left
	if !a.Claim(now) {
		t.Fatal("no trial")
	}
	a.Report(now+5*ms, false, 5*ms)
	if why, _ := a.Ejected(now); why != None || !a.Available(now) || !a.Claim(now) {
		t.Error("a successful trial does not bring the host back")
	}
}

// A trial that was never sent does not keep the host out for ever.
func TestLostTrial(t *testing.T) {
	_, hosts := pool(Config{Consecutive: 1}, 2)
	a := hosts[0]
	hosts[1].Report(0, false, ms)
	a.Report(0, true, ms)
	now := 10 * time.Second
	if !a.Claim(now) {
		t.Fatal("no trial")
	}
	if a.Available(now + 9*time.Second) {
		t.Error("a second trial too early")
	}
	if !a.Claim(now + 10*time.Second) {
		t.Error("the lost trial is not replaced")
	}
}

func TestGoodIntervalsForgive(t *testing.T) {
	d, hosts := pool(Config{Consecutive: 3}, 2)
	a := hosts[0]
	hosts[1].Report(0, false, ms)
	for range 3 {
		a.Report(0, true, ms)
	}
	now := 10 * time.Second
	a.Claim(now)
	a.Report(now+ms, false, ms)
	if a.Ejections() != 1 {
		t.Fatalf("%d ejections, want 1", a.Ejections())
	}
	play(d, hosts, 2, 20*time.Second, []behaviour{{100, 0, ms}, {100, 0, ms}})
	if a.Ejections() != 0 {
		t.Errorf("%d ejections after good intervals, want 0", a.Ejections())
	}
}

// Never all hosts go, whatever the configuration says.
func TestOneAlwaysStays(t *testing.T) {
	_, hosts := pool(Config{Consecutive: 3, MaxEjected: 1}, 3)
	for _, h := range hosts {
		// One after the other, so that the others look well at the time.
		for range 3 {
			h.Report(ms, true, ms)
		}
	}
	out := 0
	for _, h := range hosts {
		if h.out() {
			out++
		}
	}
	if out != 2 {
		t.Errorf("%d of 3 ejected, want 2", out)
	}
}

func TestRemove(t *testing.T) {
	d, hosts := pool(Config{Consecutive: 1}, 3)
	d.Remove(hosts[1])
	d.Remove(hosts[2])
	hosts[0].Report(0, true, ms)
	if hosts[0].out() {
		t.Error("the only host that is left was ejected")
	}
}

// A failed trial of the only host that is left does not keep it out.
func TestTrialOfTheLast(t *testing.T) {
	d, hosts := pool(Config{Consecutive: 1, MaxEjected: 1}, 2)
	a := hosts[0]
	a.Report(0, true, ms)
	d.Remove(hosts[1])
	now := 10 * time.Second
	if !a.Claim(now) {
		t.Fatal("no trial")
	}
	a.Report(now+ms, true, ms)
	if a.out() {
		t.Error("the only host is out")
	}
}

func TestConcurrent(t *testing.T) {
	d, hosts := pool(Config{Interval: ms, MinRequests: 1}, 4)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for k := range 2000 {
				now := time.Duration(k) * 10 * time.Microsecond
				h := hosts[(g+k)%len(hosts)]
				if h.Available(now) && h.Claim(now) {
					h.Report(now, h == hosts[0], ms)
				}
			}
		})
	}
	wg.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range hosts[1:] {
		if h.out() {
			t.Error("a host that never failed was ejected")
		}
	}
}
