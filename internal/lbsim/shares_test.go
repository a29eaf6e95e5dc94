package lbsim

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-portico/portico/lbpolicy/pick"
)

// many is how many seeds it takes to see what goes wrong once in twenty times.
const many = 40

// everySeed plays a scenario with so many seeds, on all processors.
func everySeed(s *Scenario, c Contestant, first, n uint64, check func(seed uint64, r *Result)) {
	next := make(chan uint64)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for seed := range next {
				check(seed, Run(s, c, seed))
			}
		})
	}
	for k := range n {
		next <- first + k
	}
	close(next)
	wg.Wait()
}

// A sharing is a pool of hosts that are alike, the first with a weight.
type sharing struct {
	hosts   int
	servers int
	weight  float64
	rate    float64
	slow    bool // to play with the race detector
}

func (s sharing) String() string {
	return fmt.Sprintf("%d hosts, weight %g, %d servers, %g requests/s", s.hosts, s.weight, s.servers, s.rate)
}

// due is the share of host i.
func (s sharing) due(i int) float64 {
	if i == 0 {
		return s.weight / (s.weight + float64(s.hosts-1))
	}
	return 1 / (s.weight + float64(s.hosts-1))
}

// Whoever had luck or bad luck with its first answers has its due share soon, with
// every seed and at every rate.
func TestDueShares(t *testing.T) {
	tests := []sharing{
		{3, 0, 5, 3000, false},
		{16, 0, 1, 600, false},
		{3, 0, 1, 3000, true},
		{2, 0, 1, 3000, true},
		{5, 0, 5, 3000, true},
		{16, 0, 5, 3000, true},
		{3, 40, 1, 3000, true},
		{3, 0, 1, 600, true},
		{3, 0, 5, 600, true},
		{5, 0, 1, 10_000, true},
		{16, 0, 1, 10_000, true},
		{20, 0, 5, 3000, true},
	}
	for _, tt := range tests {
		if raceDetector && tt.slow {
			continue // one goroutine for each seed: there is little to race
		}
		t.Run(tt.String(), func(t *testing.T) {
			s := Scenario{Backends: alike(tt.hosts, tt.servers, web), Rate: tt.rate, Duration: 15 * sec, Warm: 5 * sec}
			if raceDetector || tt.rate == 10_000 {
				s.Duration = 10 * sec
			}
			everySeed(&s, weighing(tt.weight), 2000, many, func(seed uint64, r *Result) {
				for i := range tt.hosts {
					if share := r.Share(s.Warm, s.Duration, i) / tt.due(i); share < 0.75 {
						t.Errorf("seed %d: host %d has %.2f of its share", seed, i, share)
					}
				}
			})
		})
	}
}

// weighing is least_time with a weight for the first host.
func weighing(weight float64) Contestant {
	return Contestant{"weighing", func(n int, rng *rand.Rand) Policy {
		return weighted{LeastTime.New(n, rng).(*leastTime), weight}
	}}
}

type weighted struct {
	*leastTime
	weight float64
}

func (w weighted) Pick(now time.Duration, rif []int, _ uint64) int {
	c := candidates(w.pool, rif)
	c[0].Weight = w.weight
	return pick.LeastTime(now, w.hosts, c, w.rng)
}

// In an overload of all, or an outage of all, the load stays even.
func TestShareStaysEven(t *testing.T) {
	n := uint64(many)
	if raceDetector {
		n = 1
	}
	for _, s := range Scenarios() {
		if !strings.HasPrefix(s.Name, "3 alike") && !strings.HasPrefix(s.Name, "all") && !strings.HasPrefix(s.Name, "4 alike") {
			continue
		}
		if s.Rate < 10 {
			continue
		}
		off := 0.3
		if strings.Contains(s.Name, "long polls") || strings.Contains(s.Name, "half the time") {
			off = 0.5 // what is learned is mostly noise, and whoever had bad luck waits for a trial
		}
		everySeed(&s, LeastTime, 2000, n, func(seed uint64, r *Result) {
			for i := range s.Backends {
				if share := r.Share(s.Warm, s.Duration, i) * float64(len(s.Backends)); share < 1-off || share > 1+off {
					t.Errorf("%s, seed %d: host %d has %.2f of its share", s.Name, seed, i, share)
				}
			}
		})
	}
}

// After an outage of all, the first host that is well again does not have to do the
// work of all of them.
func TestAllComeBack(t *testing.T) {
	n := uint64(many)
	if raceDetector {
		n = 1
	}
	for _, mode := range []Mode{Refusing, FastFailing} {
		s := steady("all are away for 10 s", 560, 0, sick(4, alike(4, 4, web), between(10*sec, 20*sec, Phase{Mode: mode})...))
		s.Duration, s.Warm = 30*sec, 20*sec
		everySeed(&s, LeastTime, 2000, n, func(seed uint64, r *Result) {
			if p := r.Latency(0.99, 21*sec, 30*sec); p > 200*time.Millisecond {
				t.Errorf("mode %d, seed %d: p99 %v from 1 s after on", mode, seed, p)
			}
		})
	}
}

// A host that was away for a minute is back within 15 s also where there are few
// requests, or many other hosts.
func TestRecoveredAmongMany(t *testing.T) {
	bad := map[string]Phase{
		"slow": {Slow: 10}, "very slow": {Slow: 100}, "failing": {Mode: FastFailing}, "black hole": {Mode: BlackHole}, "hanging": {Mode: Hanging},
	}
	n := uint64(many)
	if raceDetector {
		n = 1
	}
	for name, phase := range bad {
		for _, tt := range []struct {
			hosts int
			rate  float64
		}{{3, 30}, {5, 30}, {16, 30}, {30, 100}} {
			s := Scenario{Backends: alike(tt.hosts, 0, web), Rate: tt.rate, Duration: 100 * sec, Patience: 5 * sec}
			phase.From = 15 * sec
			s.Backends[0].Phases = []Phase{phase, {From: 75 * sec}}
			var mu sync.Mutex
			mean, worst := 0.0, 0.0
			everySeed(&s, LeastTime, 2000, n, func(_ uint64, r *Result) {
				mu.Lock()
				defer mu.Unlock()
				mean += r.Share(90*sec, s.Duration, 0) * float64(tt.hosts) / float64(n)
				worst = max(worst, r.Share(17*sec, 75*sec, 0))
			})
			if mean < 0.9 && !raceDetector {
				t.Errorf("%s, %d hosts, %g requests/s: %.2f of its share 15 s after, on average", name, tt.hosts, tt.rate, mean)
			}
			if worst > 0.02 {
				t.Errorf("%s, %d hosts, %g requests/s: %.2f %% of the requests while it was away", name, tt.hosts, tt.rate, 100*worst)
			}
		}
	}
}
