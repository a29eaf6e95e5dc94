package hashing

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

func nodes(weights ...float64) []Node {
	n := make([]Node, len(weights))
	for i, w := range weights {
		n[i] = Node{Sum(fmt.Sprintf("10.0.0.%d:8080", i)), w}
	}
	return n
}

func equal(n int) []Node {
	return nodes(slices.Repeat([]float64{1}, n)...)
}

const keys = 100_000

func key(k int) uint64 { return Sum(fmt.Sprintf("client-%d", k)) }

// A picker is Rendezvous or Maglev.
type picker interface {
	Pick(key uint64, accept func(int) bool) int
}

var pickers = map[string]func([]Node) picker{
	"rendezvous": func(n []Node) picker { return Rendezvous(n) },
	"maglev":     func(n []Node) picker { return NewMaglev(n) },
}

// The hash is the same everywhere and always: these values must never change.
func TestSumIsStable(t *testing.T) {
	tests := map[string]uint64{
		"":               0xefd01f60ba992926,
		"a":              0x82a2a958a9bece5b,
		"10.0.0.1:8080":  0xe8c721156ed52b14,
		"10.0.0.2:8080":  0xae24fd2f2883d643,
		"München/straße": 0x6986e82d781165f7,
	}
	for s, want := range tests {
		if got := Sum(s); got != want {
			t.Errorf("Sum(%q) = %#x, want %#x", s, got, want)
		}
	}
}

// A changed input bit changes each output bit in half of all cases.
func TestSumAvalanche(t *testing.T) {
	const n = 4000
	var flips [64]int
	for k := range n {
		a := []byte(fmt.Sprintf("key-%06d", k))
		b := slices.Clone(a)
		b[len(b)-1] ^= 1
		d := Sum(string(a)) ^ Sum(string(b))
		for bit := range flips {
			flips[bit] += int(d >> bit & 1)
		}
	}
	for bit, f := range flips {
		if part := float64(f) / n; math.Abs(part-0.5) > 0.05 {
			t.Errorf("bit %d flips in %.3f of all cases", bit, part)
		}
	}
}

func TestShares(t *testing.T) {
	for name, build := range pickers {
		for _, weights := range [][]float64{{1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {5, 1, 1}, {10, 3, 0.5}, {0.1, 0.2}} {
			p, counts, sum := build(nodes(weights...)), make([]float64, len(weights)), 0.0
			for k := range keys {
				counts[p.Pick(key(k), nil)]++
			}
			for _, w := range weights {
				sum += w
			}
			for i, w := range weights {
				if want := keys * w / sum; math.Abs(counts[i]-want) > 4*math.Sqrt(want)+0.005*want {
					t.Errorf("%s %v: node %d has %v keys, want %.0f", name, weights, i, counts[i], want)
				}
			}
		}
	}
}

// Removing one of ten moves its keys and hardly any other, whether it has left
// for good or is not accepted for a while.
func TestRemoveOneOfTen(t *testing.T) {
	for name, build := range pickers {
		ten := equal(10)
		all := build(ten)
		for gone := range ten {
			left := build(slices.Delete(slices.Clone(ten), gone, gone+1))
			removed, away, strangers := 0, 0, 0
			for k := range keys / 10 {
				was := all.Pick(key(k), nil)
				is := left.Pick(key(k), nil)
				if is >= gone {
					is++
				}
				without := all.Pick(key(k), func(i int) bool { return i != gone })
				if without == gone {
					t.Fatalf("%s: chose a node that is not accepted", name)
				}
				if is != was {
					removed++
				}
				if without != was {
					away++
					if was != gone {
						strangers++
					}
				}
			}
			if most := keys / 10 * 12 / 100; removed > most || away > most {
				t.Errorf("%s without %d: %d keys moved, %d while it is away, want at most %d", name, gone, removed, away, most)
			}
			if strangers > 0 {
				t.Errorf("%s: %d keys of others moved while %d is away", name, strangers, gone)
			}
		}
	}
}

// Two proxies that list the hosts in another order send a key to the same host.
func TestOrderDoesNotMatter(t *testing.T) {
	for name, build := range pickers {
		a := nodes(3, 1, 1, 2, 1)
		b := slices.Clone(a)
		slices.Reverse(b)
		pa, pb := build(a), build(b)
		for k := range 10_000 {
			if x, y := a[pa.Pick(key(k), nil)], b[pb.Pick(key(k), nil)]; x != y {
				t.Fatalf("%s: key %d goes to %v and to %v", name, k, x, y)
			}
		}
	}
}

func TestNobody(t *testing.T) {
	if NewMaglev(nil) != nil || NewMaglev(make([]Node, MaxNodes+1)) != nil {
		t.Error("a table of no nodes, or too many")
	}
	no := func(int) bool { return false }
	if i := Rendezvous(nil).Pick(1, nil); i != -1 {
		t.Errorf("%d of none", i)
	}
	for name, build := range pickers {
		if i := build(equal(3)).Pick(1, no); i != -1 {
			t.Errorf("%s: %d, but none is accepted", name, i)
		}
	}
}

// slowMaglev is the pseudocode of the paper: whole permutations, one entry each
// a round (so, of equal weights). Nodes must be in the order of their IDs.
func slowMaglev(nodes []Node) []uint16 {
	const m = maglevSize
	permutations := make([][]int, len(nodes))
	for i, n := range nodes {
		p := newPermutation(n.ID)
		offset, skip := int(p.at), int(p.skip)
		permutations[i] = make([]int, m)
		for j := range m {
			permutations[i][j] = (offset + j*skip) % m
		}
	}
	next, entry := make([]int, len(nodes)), make([]int, m)
	for j := range entry {
		entry[j] = -1
	}
	for n := 0; ; {
		for i := range nodes {
			c := permutations[i][next[i]]
			for entry[c] >= 0 {
				next[i]++
				c = permutations[i][next[i]]
			}
			entry[c] = i
			next[i]++
			if n++; n == m {
				table := make([]uint16, m)
				for j, e := range entry {
					table[j] = uint16(e)
				}
				return table
			}
		}
	}
}

func TestMaglevAgainstThePaper(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 31} {
		all := equal(n)
		slices.SortFunc(all, func(a, b Node) int {
			if a.ID < b.ID {
				return -1
			}
			return 1
		})
		if !slices.Equal(NewMaglev(all).table, slowMaglev(all)) {
			t.Errorf("%d nodes: another table", n)
		}
	}
}

// The winner among those accepted does not depend on who else there is, and
// weights shift keys only toward the node that gains.
func FuzzRendezvous(f *testing.F) {
	f.Add(uint64(1), []byte{1, 2, 3}, uint16(7), byte(0))
	f.Fuzz(func(t *testing.T, k uint64, weights []byte, up uint16, gains byte) {
		weights = weights[:min(len(weights), 16)]
		var r, few Rendezvous
		for i, w := range weights {
			n := Node{Sum(fmt.Sprint(i)), float64(w) + 1}
			r = append(r, n)
			if up>>i&1 != 0 {
				few = append(few, n)
			}
		}
		got := r.Pick(k, func(i int) bool { return up>>i&1 != 0 })
		want := few.Pick(k, nil)
		if (got < 0) != (want < 0) || got >= 0 && r[got] != few[want] {
			t.Fatalf("%d of all, %d of the accepted alone", got, want)
		}
		if len(r) > 0 {
			before := r.Pick(k, nil)
			i := int(gains) % len(r)
			r[i].Weight *= 2
			if after := r.Pick(k, nil); after != before && after != i {
				t.Fatalf("the key moved from %d to %d when %d gained", before, after, i)
			}
		}
	})
}

// One hot key on ten hosts: no host ever has more than its capacity, and
// all requests are placed.
func TestBoundedLoadUnderOneHotKey(t *testing.T) {
	const n, factor = 10, 1.25
	weights := []float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 3}
	sum := 12.0
	for name, build := range pickers {
		p, load := build(nodes(weights...)), make([]int, n)
		home := p.Pick(42, nil)
		for total := range 1000 {
			accept := func(i int) bool { return load[i] < Capacity(factor, total, weights[i], sum) }
			i := p.Pick(42, accept)
			if i < 0 {
				t.Fatalf("%s: no host for request %d", name, total)
			}
			load[i]++
			if total == 0 && i != home {
				t.Errorf("%s: an idle pool does not keep the key at home", name)
			}
		}
		for i, l := range load {
			if most := int(math.Ceil(factor * 1000 * weights[i] / sum)); l > most {
				t.Errorf("%s: host %d has %d requests, its capacity is %d", name, i, l, most)
			}
		}
	}
}

func TestCapacity(t *testing.T) {
	tests := []struct {
		factor      float64
		total       int
		weight, sum float64
		want        int
	}{
		{1.25, 0, 1, 10, 1}, // never 0
		{1.25, 9, 1, 10, 2},
		{1.25, 99, 1, 10, 13},
		{2, 99, 1, 10, 20},
		{1.25, 99, 5, 7, 90},
	}
	for _, tt := range tests {
		if got := Capacity(tt.factor, tt.total, tt.weight, tt.sum); got != tt.want {
			t.Errorf("Capacity(%v, %d, %v, %v) = %d, want %d", tt.factor, tt.total, tt.weight, tt.sum, got, tt.want)
		}
	}
}

var sink uint64

func TestAllocations(t *testing.T) {
	r, m, up := Rendezvous(equal(10)), NewMaglev(equal(10)), [10]bool{3: true}
	if n := testing.AllocsPerRun(100, func() {
		r.Pick(1, func(i int) bool { return up[i] })
		m.Pick(1, func(i int) bool { return up[i] })
		sink = Sum("10.0.0.1:8080")
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
