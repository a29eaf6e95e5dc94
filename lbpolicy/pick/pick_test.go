package pick

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caddy-portico/portico/lbpolicy/estimate"
)

func source(seed uint64) rand.Source { return rand.NewPCG(seed, 42) }

func pool(loads ...int) []Candidate {
	c := make([]Candidate, len(loads))
	for i, rif := range loads {
		c[i] = Candidate{RIF: rif, Weight: 1}
	}
	return c
}

// chiSquare compares counts with what is expected in proportion to the weights,
// and gives how far it is from the mean of its distribution in standard deviations
// (Wilson and Hilferty's approximation).
func chiSquare(counts []int, weights []float64) float64 {
	n, sum := 0, 0.0
	for i := range counts {
		n += counts[i]
		sum += weights[i]
	}
	x := 0.0
	for i := range counts {
		want := float64(n) * weights[i] / sum
		x += (float64(counts[i]) - want) * (float64(counts[i]) - want) / want
	}
	k := float64(len(counts) - 1)
	return (math.Cbrt(x/k) - (1 - 2/(9*k))) / math.Sqrt(2/(9*k))
}

func ones(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = 1
	}
	return w
}

// In an idle pool every host has the same chance, with any number of choices.
func TestUnbiased(t *testing.T) {
	for _, n := range []int{2, 3, 5, 16, 17, 40} {
		for _, choices := range []int{0, 1, 2, 3, 16, 99} {
			counts, rng := make([]int, n), source(1)
			for range 2000 * n {
				counts[LeastRequest(pool(make([]int, n)...), choices, rng)]++
			}
			if z := chiSquare(counts, ones(n)); z > 4 {
				t.Errorf("%d hosts, %d choices: %.1f standard deviations off: %v", n, choices, z, counts)
			}
		}
	}
}

// Among equals, the chance goes by the weights.
func TestWeightedTies(t *testing.T) {
	weights := []float64{5, 1, 1, 0.1}
	c := make([]Candidate, len(weights))
	for i, w := range weights {
		c[i].Weight = w
	}
	for name, choose := range map[string]func(rand.Source) int{
		"LeastRequest": func(rng rand.Source) int { return LeastRequest(c, 0, rng) },
		"two choices":  func(rng rand.Source) int { return LeastRequest(c, 2, rng) },
		"three":        func(rng rand.Source) int { return LeastRequest(c, 3, rng) },
		"Random":       func(rng rand.Source) int { return Random(c, rng) },
	} {
		counts, rng := make([]int, len(c)), source(2)
		for range 100_000 {
			counts[choose(rng)]++
		}
		if z := chiSquare(counts, weights); z > 4 {
			t.Errorf("%s: %.1f standard deviations off: %v", name, z, counts)
		}
	}
}

// So it does where only some of a large pool are looked at.
func TestWeightsInLargePools(t *testing.T) {
	c, hosts, weights := pool(make([]int, 20)...), make([]*estimate.Host, 20), ones(20)
	weights[0], weights[7] = 5, 0.1
	for i := range c {
		hosts[i] = host(20*time.Millisecond, estimate.Success, 20)
		c[i].Weight = weights[i]
	}
	counts, rng := make([]int, len(c)), source(3)
	for range 40_000 {
		counts[LeastTime(time.Second, hosts, c, rng)]++
	}
	if z := chiSquare(counts, weights); z > 4 {
		t.Errorf("%.1f standard deviations off: %v", z, counts)
	}
}

// draw gives every ordered pair's set the same chance, and never one twice.
func TestDraw(t *testing.T) {
	const n = 7
	counts, rng := make([]int, n*n), source(3)
	for range 100_000 {
		var buf [2]int
		d := draw(buf[:], n, rng)
		if d[0] == d[1] {
			t.Fatal("drawn twice")
		}
		counts[min(d[0], d[1])*n+max(d[0], d[1])]++
	}
	var pairs []int
	for a := range n {
		for b := a + 1; b < n; b++ {
			pairs = append(pairs, counts[a*n+b])
		}
	}
	if z := chiSquare(pairs, ones(len(pairs))); z > 4 {
		t.Errorf("%.1f standard deviations off: %v", z, pairs)
	}
}

func TestLeastRequest(t *testing.T) {
	weighted := func(loads []int, weights ...float64) []Candidate {
		c := pool(loads...)
		for i := range c {
			c[i].Weight = weights[i]
		}
		return c
	}
	tests := []struct {
		name string
		c    []Candidate
		want []int // any of these
	}{
		{"nobody", nil, []int{-1}},
		{"one", pool(9), []int{0}},
		{"the fewest", pool(3, 1, 2), []int{1}},
		{"one of the equals", pool(3, 1, 1), []int{1, 2}},
		{"for its weight", weighted([]int{4, 2, 2}, 5, 1, 1), []int{0}},
		{"an idle one before a heavy one", weighted([]int{1, 0}, 100, 1), []int{1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen, rng := map[int]bool{}, source(4)
			for range 100 {
				seen[LeastRequest(tt.c, 0, rng)] = true
			}
			for _, i := range tt.want {
				if !seen[i] {
					t.Errorf("%d was never chosen: %v", i, seen)
				}
				delete(seen, i)
			}
			if len(seen) > 0 {
				t.Errorf("chosen, but not to be: %v", seen)
			}
		})
	}
}

// Two choices: the worst of all hosts is never chosen (it loses each pair), the
// others in proportion to how often they win.
func TestTwoChoices(t *testing.T) {
	counts, rng := make([]int, 4), source(5)
	c := pool(0, 1, 2, 3)
	for range 60_000 {
		counts[LeastRequest(c, 2, rng)]++
	}
	if counts[3] != 0 {
		t.Errorf("the busiest was chosen %d times", counts[3])
	}
	if z := chiSquare(counts[:3], []float64{3, 2, 1}); z > 4 {
		t.Errorf("%.1f standard deviations off: %v, want 3:2:1", z, counts)
	}
}

// host returns one that has answered so many requests alike.
func host(latency time.Duration, kind estimate.Kind, n int) *estimate.Host {
	h := estimate.NewHost(estimate.Config{})
	for k := range n {
		now := time.Duration(k) * 10 * time.Millisecond
		h.Begin(now)
		h.End(now, estimate.Outcome{Kind: kind, Latency: latency, RIF: 1})
	}
	return h
}

func TestLeastTime(t *testing.T) {
	const ms = time.Millisecond
	fast := func() *estimate.Host { return host(10*ms, estimate.Success, 100) }
	alike := func() *estimate.Host { return host(12*ms, estimate.Success, 100) }
	slow := func() *estimate.Host { return host(30*ms, estimate.Success, 100) }
	bad := func() *estimate.Host { return host(1*ms, estimate.Failure, 100) }
	broken := func() *estimate.Host { // of known latency
		h := fast()
		for range 100 {
			h.Begin(time.Second)
			h.End(time.Second, estimate.Outcome{Kind: estimate.Failure, Latency: ms, RIF: 1})
		}
		return h
	}
	fresh := func() *estimate.Host { return estimate.NewHost(estimate.Config{}) }
	hung := func() *estimate.Host { h := fast(); h.Begin(0); return h }
	busyFresh := func() *estimate.Host { h := fresh(); h.Begin(0); return h }
	type hosts = []*estimate.Host
	tests := []struct {
		name  string
		hosts hosts
		loads []int
		want  []int // any of these
	}{
		{"nobody", nil, nil, []int{-1}},
		{"one, however bad", hosts{bad()}, []int{9}, []int{0}},
		{"the fastest", hosts{slow(), fast(), slow()}, []int{0, 0, 0}, []int{1}},
		{"one of those alike", hosts{slow(), fast(), alike()}, []int{0, 0, 0}, []int{1, 2}},
		{"the less busy of those alike", hosts{slow(), fast(), alike()}, []int{0, 1, 0}, []int{2}},
		{"differences that nobody notices", hosts{host(ms/10, estimate.Success, 100), host(ms*3/10, estimate.Success, 100)}, []int{1, 0}, []int{1}},
		{"a slow one rather than a much busier one", hosts{slow(), fast()}, []int{0, 40}, []int{0}},
		{"not the fast failer", hosts{bad(), slow()}, []int{0, 5}, []int{1}},
		{"all fail: any", hosts{bad(), bad()}, []int{0, 0}, []int{0, 1}},
		{"nothing is known: any", hosts{fresh(), fresh()}, []int{0, 0}, []int{0, 1}},
		{"nothing is known: the less busy", hosts{busyFresh(), fresh()}, []int{1, 0}, []int{1}},
		{"a new one has its chance", hosts{slow(), fast(), fresh()}, []int{0, 1, 0}, []int{2}},
		{"but one request at a time", hosts{slow(), fast(), busyFresh()}, []int{0, 1, 0}, []int{1}},
		{"the silent is as slow as it is silent", hosts{hung(), slow()}, []int{0, 0}, []int{1}},
		{"a new one that is busy rather than one that fails", hosts{bad(), busyFresh()}, []int{0, 1}, []int{1}},
		{"the same, if its latency is known", hosts{broken(), busyFresh()}, []int{0, 1}, []int{1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen, rng := map[int]bool{}, source(6)
			for range 100 {
				seen[LeastTime(1100*ms, tt.hosts, pool(tt.loads...), rng)] = true
			}
			for _, i := range tt.want {
				if !seen[i] {
					t.Errorf("%d was never chosen: %v", i, seen)
				}
				delete(seen, i)
			}
			if len(seen) > 0 {
				t.Errorf("chosen, but not to be: %v", seen)
			}
		})
	}
}

// One that was slow once is not avoided for it, unless it was very slow; one that
// is known to be slow is.
func TestLeastTimeDoubts(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		latency time.Duration
		answers int
		chosen  bool
	}{
		{25 * ms, 1, true},
		{25 * ms, 50, false},
		{200 * ms, 1, false},
	} {
		hosts := []*estimate.Host{host(tt.latency, estimate.Success, tt.answers), host(10*ms, estimate.Success, 100)}
		if i := LeastTime(1100*ms, hosts, pool(0, 1), source(7)); (i == 0) != tt.chosen {
			t.Errorf("after %d answers of %v: host %d, chosen %v", tt.answers, tt.latency, i, !tt.chosen)
		}
	}
}

// Of a host that looks bad, a trial is asked for once in a while.
func TestLeastTimeTries(t *testing.T) {
	hosts := []*estimate.Host{host(30*time.Millisecond, estimate.Success, 100), host(10*time.Millisecond, estimate.Success, 100)}
	counts, rng := [2]int{}, source(7)
	for range 1000 {
		counts[LeastTime(10*time.Second, hosts, pool(0, 0), rng)]++
	}
	if counts[0] != 1 {
		t.Errorf("the slow host was chosen %d times in a moment, want 1", counts[0])
	}
}

// A large pool is sampled, and the sick are avoided there as well.
func TestLeastTimeInLargePools(t *testing.T) {
	const n = 100
	hosts := make([]*estimate.Host, n)
	for i := range hosts {
		latency := 10 * time.Millisecond
		if i < 10 {
			latency *= 10
		}
		hosts[i] = host(latency, estimate.Success, 100)
	}
	counts, rng := make([]int, n), source(8)
	for range 100_000 {
		counts[LeastTime(time.Second, hosts, pool(make([]int, n)...), rng)]++
	}
	if z := chiSquare(counts[10:], ones(n-10)); z > 4 {
		t.Errorf("%.1f standard deviations off among the good: %v", z, counts)
	}
	sick := 0
	for _, k := range counts[:10] {
		sick += k
	}
	if sick > 20 {
		t.Errorf("the sick were chosen %d times of 100000", sick)
	}
}

func TestAllocations(t *testing.T) {
	for _, n := range []int{3, 16, 100} {
		hosts, c, rng, turns := make([]*estimate.Host, n), pool(make([]int, n)...), source(9), new(Turns)
		entries := make([]Entry, n)
		for i := range hosts {
			hosts[i] = host(time.Millisecond, estimate.Success, 10)
			entries[i] = Entry{Turn: new(Turn), Weight: 1}
		}
		for name, f := range map[string]func(){
			"LeastTime":    func() { LeastTime(time.Second, hosts, c, rng) },
			"LeastRequest": func() { LeastRequest(c, 2, rng) },
			"Random":       func() { Random(c, rng) },
			"Turns":        func() { turns.Next(entries) },
		} {
			if allocs := testing.AllocsPerRun(100, f); allocs != 0 {
				t.Errorf("%s of %d: %v allocations, want 0", name, n, allocs)
			}
		}
	}
}

func ExampleTurns() {
	entries := []Entry{{Turn: new(Turn), Weight: 5}, {Turn: new(Turn), Weight: 1}, {Turn: new(Turn), Weight: 1}}
	var turns Turns
	for range 14 {
		fmt.Print(string(rune('a' + turns.Next(entries))))
	}
	// Output: aabacaaaabacaa
}
