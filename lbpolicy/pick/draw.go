package pick

import "math/rand/v2"

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
