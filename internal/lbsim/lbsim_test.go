package lbsim

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/caddy-portico/portico/lbpolicy/pick"
)

// played is how many seeds the tests play.
func played() uint64 {
	if raceDetector {
		return 1
	}
	return seeds
}

func named(t *testing.T, name string) Scenario {
	t.Helper()
	for _, s := range Scenarios() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no scenario %q", name)
	return Scenario{}
}

// Where the hosts are alike, nothing is lost.
func TestAlike(t *testing.T) {
	if raceDetector {
		return // one goroutine: nothing to race
	}
	for _, name := range []string{
		"3 alike", "3 alike, queueing, 70 %", "3 alike, queueing, 90 %", "16 alike, one server each, 80 %",
		"4 alike, queueing, bursts of 3×", "4 alike, 5 % take 20×", "4 CPU-bound (1 server), 75 %",
		"4 proxies, 8 alike, queueing, 80 %", "3 alike, 1 request/s", "1 upstream",
	} {
		s := named(t, name)
		ours, base := summarise(&s, LeastTime), summarise(&s, LeastConn)
		if ours.p99 > 1.05*base.p99 {
			t.Errorf("%s: p99 %s ms, least_conn %s ms", name, ms(ours.p99), ms(base.p99))
		}
	}
}

// Where some are slow, the tail is much shorter, with every seed.
func TestSlow(t *testing.T) {
	tests := []struct {
		name string
		most float64 // of least_conn's p99
	}{
		{"1 of 3 3× slower", 0.55},
		{"1 of 3 3× slower, queueing", 0.6},
		{"2 of 16 16× slower", 0.5},
		{"2 of 16 16× slower, queueing", 0.5},
		{"1 of 4 10× slower for 20 s", 0.5},
		{"1 of 4 10× slower for 20 s, queueing", 0.5},
		{"1 of 2 3× slower", 0.5},
		{"5 of 50 8× slower", 0.5},
		{"4 proxies, 1 of 8 4× slower, queueing", 0.55},
		{"1 of 3 10× slower, 1 request/s", 0.5},
	}
	for _, tt := range tests {
		s := named(t, tt.name)
		for seed := range played() {
			ours, base := Run(&s, LeastTime, seed), Run(&s, LeastConn, seed)
			if ratio := float64(ours.P(0.99)) / float64(base.P(0.99)); ratio > tt.most {
				t.Errorf("%s, seed %d: p99 %v is %.2f of least_conn's %v, want at most %.2f",
					tt.name, seed, ours.P(0.99), ratio, base.P(0.99), tt.most)
			}
		}
	}
}

// Errors are not taken for speed.
func TestFastFailer(t *testing.T) {
	s := named(t, "1 of 3 answers 503 in 1 ms")
	for seed := range played() {
		r := Run(&s, LeastTime, seed)
		if share := r.Share(0, s.Duration, 0); share > 0.02 {
			t.Errorf("seed %d: %.2f %% of the requests went to the failing host", seed, 100*share)
		}
	}
}

// After two seconds, hardly any request meets a host that is gone.
func TestGone(t *testing.T) {
	for _, name := range []string{"1 of 3 refuses", "1 of 3 a black hole", "1 of 3 hangs, clients leave after 2 s"} {
		s := named(t, name)
		for seed := range played() {
			r := Run(&s, LeastTime, seed)
			if errors := r.Errors(22*sec, s.Duration); errors > 0.005 {
				t.Errorf("%s, seed %d: %.2f %% errors after the first 2 s", name, seed, 100*errors)
			}
		}
	}
}

// A host that is well again has 90 % of its share within 15 s.
func TestRecovered(t *testing.T) {
	bad := map[string]Phase{
		"slow": {Slow: 10}, "a little slow": {Slow: 2}, "failing": {Mode: FastFailing},
		"refusing": {Mode: Refusing}, "black hole": {Mode: BlackHole}, "hanging": {Mode: Hanging},
	}
	for name, phase := range bad {
		for _, servers := range []int{0, 4} {
			s := Scenario{
				Name: name, Backends: alike(3, servers, web), Rate: 300,
				Duration: 75 * sec, Warm: 10 * sec, Patience: 5 * sec,
			}
			phase.From = 15 * sec
			s.Backends[0].Phases = []Phase{phase, {From: 45 * sec}}
			for seed := range played() {
				r := Run(&s, LeastTime, seed)
				if share := r.Share(60*sec, 75*sec, 0); share < 0.9/3 {
					t.Errorf("%s, %d servers, seed %d: %.1f %% of the requests 15 s after, want 30 %%", name, servers, seed, 100*share)
				}
			}
		}
	}
}

// A host that joins a warm pool has its share soon, and not all at once.
func TestJoining(t *testing.T) {
	s := Scenario{Backends: alike(3, 4, web), Rate: 340, Duration: 60 * sec}
	for seed := range played() {
		r := Run(&s, Contestant{"joining", func(n int, rng *rand.Rand) Policy {
			return joining{LeastTime.New(n, rng).(*leastTime), 30 * sec}
		}}, seed)
		if share := r.Share(31*sec, 60*sec, 2); share < 0.28 || share > 0.38 {
			t.Errorf("seed %d: %.1f %% of the requests a second after joining, want a third", seed, 100*share)
		}
		if p := r.Latency(0.99, 30*sec, 32*sec); p > 150*time.Millisecond {
			t.Errorf("seed %d: p99 %v in the two seconds after", seed, p)
		}
	}
}

// joining offers the last host only from some time on.
type joining struct {
	*leastTime
	at time.Duration
}

func (j joining) Pick(now time.Duration, rif []int, _ uint64) int {
	n := len(rif)
	if now < j.at {
		n--
	}
	return pick.LeastTime(now, j.hosts[:n], candidates(j.pool[:n], rif), j.rng)
}

// loses is where least_time's p99 is more than 5 % worse than that of least_conn, and by
// how much at most. It is shown in the table.
var loses = map[string]float64{
	"all fail for 10 s, queueing, 70 %":   1.25,
	"all refuse for 10 s, queueing, 70 %": 1.25,
	// Fewer errors instead: what least_conn throws away waits here.
	"3 of 4 refuse for 10 s, queueing, 70 %":                         1e9,
	"1 of 2 refuses for 10 of every 20 s, the other cannot take all": 1e9,
}

// The gate: nowhere more errors, and no longer tail but where it is said.
func TestNowhereElseWorse(t *testing.T) {
	if raceDetector {
		return // one goroutine: nothing to race
	}
	for _, s := range Scenarios() {
		ours, base := summarise(&s, LeastTime), summarise(&s, LeastConn)
		if ours.errors > base.errors+0.001 {
			t.Errorf("%s: %.2f %% errors, least_conn %.2f %%", s.Name, 100*ours.errors, 100*base.errors)
		}
		most := max(1.05, loses[s.Name])
		if ours.p99 > most*base.p99 {
			t.Errorf("%s: p99 %s ms, least_conn %s ms: %.2f", s.Name, ms(ours.p99), ms(base.p99), ours.p99/base.p99)
		}
	}
}

// Ejection: the sick go, and an outage of all does not take half the pool away.
func TestEjecting(t *testing.T) {
	s := named(t, "1 of 3 answers 503 in 1 ms")
	if sum := summarise(&s, Ejecting); sum.errors > 0.001 {
		t.Errorf("%s: %.2f %% errors", s.Name, 100*sum.errors)
	}
	s = named(t, "all fail for 10 s, queueing, 70 %")
	ours, base := summarise(&s, Ejecting), summarise(&s, LeastConn)
	if ours.p99 > 1.05*base.p99 {
		t.Errorf("%s: p99 %s ms, without ejection %s ms", s.Name, ms(ours.p99), ms(base.p99))
	}
}

// A client that sends more than one host can serve does not overload it, and the
// others stay with their hosts.
func TestHotClient(t *testing.T) {
	s := named(t, "5 alike, queueing, a third from one client")
	free, bounded, base := summarise(&s, Hash), summarise(&s, BoundedHash), summarise(&s, LeastConn)
	if free.p99 < 10*base.p99 {
		t.Errorf("p99 %s ms without a bound: the scenario is too easy", ms(free.p99))
	}
	if bounded.p99 > 1.5*base.p99 {
		t.Errorf("p99 %s ms, least_conn %s ms", ms(bounded.p99), ms(base.p99))
	}
}

func TestRunsAreRepeatable(t *testing.T) {
	s := named(t, "1 of 4 10× slower for 20 s, queueing")
	a, b := Run(&s, LeastTime, 1), Run(&s, LeastTime, 1)
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed gave another result")
	}
	if c := Run(&s, LeastTime, 2); reflect.DeepEqual(a.requests, c.requests) {
		t.Error("another seed gave the same result")
	}
}
