package rate

// sample is the number of records that are compared when one has to go.
const sample = 8

// victim returns the index place of the record whose loss does the least harm,
// among the next few: one that is idle if there is one, otherwise the one that
// forgets the fewest requests, and of equals the one that has rested longest.
//
// So a flood of new keys evicts its own: a key that made one request goes before
// one that used its quota. To have a used-up counter forgotten, a client has to
// use up about as many others as fit into memory.
func (s *shard) victim(t uint64) int {
	y := s.layout
	best, bestCount, bestNewest := -1, uint64(0), uint64(0)
	for range s.made {
		i := s.hand
		if s.hand++; s.hand == s.made {
			s.hand = 0
		}
		r := s.record(i)
		if r[wordState] == freeRecord {
			continue
		}
		y.prune(r, t)
		if y.idle(r, t) {
			at, _ := s.lookUp(hashOf(r))
			return at
		}
		count, newest := y.spent(r, t), y.newest(r)
		if best < 0 || count < bestCount || count == bestCount && newest < bestNewest {
			best, bestCount, bestNewest = i, count, newest
		}
		if i%sample == sample-1 && best >= 0 {
			break
		}
	}
	s.evicted++
	at, _ := s.lookUp(hashOf(s.record(best)))
	return at
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
