package pick

import (
	"math/rand/v2"
	"slices"
)

// mostChoices bounds how many candidates are drawn.
const mostChoices = 16

// draw fills dst with distinct numbers of [0, n), every subset being equally
// likely (R. Floyd, Communications of the ACM 30(9), 1987). n must be at least len(dst).
func draw(dst []int, n int, rng rand.Source) []int {
	for k := range dst {
		top := n - len(dst) + k
		x := below(rng, top+1)
		for _, y := range dst[:k] {
			if x == y {
				x = top
				break
			}
		}
		dst[k] = x
	}
	return dst
}

// drawByWeight fills dst with distinct indexes into c: by chance, each the next one with
// a probability in proportion to its weight. Where the weights differ, of equals the
// first that was drawn must be taken (ordered): that is what keeps the weights in an
// idle pool.
func drawByWeight(dst []int, c []Candidate, rng rand.Source) (of []int, ordered bool) {
	sum, equal := 0.0, true
	for i := range c {
		sum += c[i].Weight
		equal = equal && c[i].Weight == c[0].Weight
	}
	if equal {
		return draw(dst, len(c), rng), false
	}
	for k := range dst {
		at := unit(rng) * sum
		for i := range c {
			if slices.Contains(dst[:k], i) {
				continue
			}
			dst[k] = i
			if at -= c[i].Weight; at < 0 {
				break
			}
		}
		sum -= c[dst[k]].Weight
	}
	return dst, true
}
