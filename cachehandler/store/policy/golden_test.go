package policy

import (
	"container/heap"
	"container/list"
	"math"
	"math/rand/v2"
	"sort"
)

// This file holds the slow twins a CAMP is measured against, and the load.

// cache is a byte budget under some policy: request reports a hit, and stores
// what missed.
type cache interface{ request(id, size int64) bool }

// camp is the policy under test, used as a tier uses it.
type camp struct {
	CAMP[int64]
	budget, used int64
	stored       map[int64]*Entry[int64]
}

func newCamp(budget int64) *camp {
	return &camp{budget: budget, stored: map[int64]*Entry[int64]{}}
}

func (c *camp) request(id, size int64) bool {
	if e := c.stored[id]; e != nil {
		e.Hits.Hit()
		return true
	}
	e := &Entry[int64]{Value: id, Hits: new(Counter), ID: uint64(id) * 0x9e3779b97f4a7c15}
	c.stored[id] = e
	c.used += size
	c.Add(e, size, nil)
	for c.used > c.budget {
		victim := c.Victim()
		c.used -= victim.size
		delete(c.stored, victim.Value)
	}
	return false
}

// gdsf is Greedy-Dual-Size-Frequency, exact: a heap, real numbers, a hit moves
// the object at once. With memory it never forgets a frequency, and what was
// never hit weighs half: it is then what a CAMP approximates.
type gdsf struct {
	budget, used int64
	inflation    float64
	objects      map[int64]*ranked
	ranks        ranks
	memory       map[int64]float64 // frequencies of evicted objects; nil for none
}

type ranked struct {
	id, size   int64
	freq, rank float64
	index      int
}

func newGDSF(budget int64) *gdsf {
	return &gdsf{budget: budget, objects: map[int64]*ranked{}}
}

func newGDSFWithMemory(budget int64) *gdsf {
	g := newGDSF(budget)
	g.memory = map[int64]float64{}
	return g
}

func (g *gdsf) request(id, size int64) bool {
	o, hit := g.objects[id]
	if !hit {
		o = &ranked{id: id, size: size, freq: g.memory[id]}
		g.objects[id] = o
		g.used += size
		heap.Push(&g.ranks, o)
	}
	o.freq = min(o.freq+1, mostHits)
	weight := o.freq
	if g.memory != nil && o.freq == 1 {
		weight = 0.5
	}
	o.rank = g.inflation + weight/float64(size)
	heap.Fix(&g.ranks, o.index)
	for g.used > g.budget {
		victim := heap.Pop(&g.ranks).(*ranked)
		g.inflation = victim.rank
		g.used -= victim.size
		delete(g.objects, victim.id)
		if g.memory != nil {
			g.memory[victim.id] = victim.freq
		}
	}
	return hit
}

type ranks []*ranked

func (r ranks) Len() int           { return len(r) }
func (r ranks) Less(i, j int) bool { return r[i].rank < r[j].rank }
func (r ranks) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].index, r[j].index = i, j
}

func (r *ranks) Push(x any) {
	o := x.(*ranked)
	o.index = len(*r)
	*r = append(*r, o)
}

func (r *ranks) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

// lru is the baseline.
type lru struct {
	budget, used int64
	objects      map[int64]*list.Element
	recent       list.List
}

func newLRU(budget int64) *lru { return &lru{budget: budget, objects: map[int64]*list.Element{}} }

func (l *lru) request(id, size int64) bool {
	if e := l.objects[id]; e != nil {
		l.recent.MoveToFront(e)
		return true
	}
	l.objects[id] = l.recent.PushFront([2]int64{id, size})
	l.used += size
	for l.used > l.budget {
		victim := l.recent.Remove(l.recent.Back()).([2]int64)
		l.used -= victim[1]
		delete(l.objects, victim[0])
	}
	return false
}

// load generates requests: Zipf 0.9 over objects of log-normal sizes (median 10
// KB, mean 30 KB), and a share for objects nobody asks for again.
type load struct {
	rng        *rand.Rand
	popularity []float64 // cumulative
	sizes      map[int64]int64
	oneOff     float64
	oneOffs    int64
	shift      int64 // which objects are the popular ones
}

func newLoad(objects int, oneOff float64) *load {
	l := &load{rng: rand.New(rand.NewPCG(3, 4)), sizes: map[int64]int64{}, oneOff: oneOff}
	sum := 0.0
	for i := range objects {
		sum += math.Pow(float64(i+1), -0.9)
		l.popularity = append(l.popularity, sum)
	}
	return l
}

func (l *load) request() (id, size int64) {
	if l.rng.Float64() < l.oneOff {
		l.oneOffs++
		id = 1<<40 + l.oneOffs
	} else {
		last := l.popularity[len(l.popularity)-1]
		id = int64(sort.SearchFloat64s(l.popularity, last*l.rng.Float64())) + l.shift
	}
	if l.sizes[id] == 0 {
		l.sizes[id] = 512 + int64(10_000*math.Exp(1.5*l.rng.NormFloat64()))
	}
	return id, l.sizes[id]
}
