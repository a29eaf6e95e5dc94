package rate

// When one of the records has to go, sample of them are compared; longSample if
// that may find an idle one, or spares one that is half used up.
const (
	sample     = 8
	longSample = 64
)

// victim returns the index place of the record whose loss does the least harm,
// among some: one that is idle if there is one, otherwise the one that forgets the
// fewest requests, and of equals the one that has rested longest.
//
// So a flood of new keys evicts its own: a key that made one request goes before
// one that used its quota. To have a used-up counter forgotten, a client has to
// use up nearly as many others as fit into memory.
func (s *shard) victim(t uint64) int {
	y := s.layout
	best, bestSpent, bestNewest := -1, uint64(0), uint64(0)
	for seen := 0; seen < longSample && seen < s.made; seen++ {
		if seen >= sample && s.barren > 0 && 2*bestSpent <= y.quota {
			break
		}
		i := s.next()
		r := s.record(i)
		if r[wordState] == freeRecord {
			continue
		}
		y.prune(r, t)
		if y.idle(r, t) {
			s.barren = 0
			at, _ := s.lookUp(hashOf(r))
			return at
		}
		spent, newest := y.spent(r, t), y.newest(r)
		if best < 0 || spent < bestSpent || spent == bestSpent && newest < bestNewest {
			best, bestSpent, bestNewest = i, spent, newest
		}
	}
	// Where a long look found nothing idle, the next ones are short.
	if s.barren--; s.barren < 0 {
		s.barren = longSample
	}
	s.evicted++
	at, _ := s.lookUp(hashOf(s.record(best)))
	return at
}

// next moves the hand by about the golden section of all records: keys that came
// one after the other, and lie side by side, are not compared with each other
// only. In made steps it comes to every record.
func (s *shard) next() int {
	if s.stepFor != s.made {
		s.stepFor, s.step = s.made, max(1, s.made*618/1000)
		for divisor(s.step, s.made) > 1 {
			s.step++
		}
	}
	s.hand = (s.hand + s.step) % s.made
	return s.hand
}

// divisor is the greatest common one.
func divisor(a, b int) int {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// spent is what a key would regain by being forgotten.
func (y *layout) spent(r []uint32, t uint64) uint64 {
	spent := y.count(r)
	if y.tat > 0 {
		n, _ := y.conforming(r, t)
		spent = max(spent, y.quota-n)
	}
	return spent
}
