package policy

import "math/bits"

const (
	// ratioBits scales weight per byte to an integer.
	ratioBits = 36
	// smallestSize is what an entry counts at least, whatever it says.
	smallestSize = 512
	// largestWeight is weight(mostHits).
	largestWeight = 2 * mostHits
	// classBits is how many bits after the leading one a ratio keeps: 3 keep it
	// within an eighth.
	classBits = 3
	// classes is more than the class of the largest ratio, a multiple of 64.
	classes = 256
)

// classOf numbers ratios by their leading bits: ratios below 2^(classBits+1)
// have a class each, above that every power of two has 2^classBits classes.
func classOf(ratio uint64) int {
	shift := bits.Len64(ratio) - 1 - classBits
	if shift <= 0 {
		return int(ratio)
	}
	return shift<<classBits + int(ratio>>shift)
}

// ratioOf is the lowest ratio of a class.
func ratioOf(class int) uint64 {
	shift := class>>classBits - 1
	if shift <= 0 {
		return uint64(class)
	}
	return uint64(class-shift<<classBits) << shift
}

// queue is a list of entries of one class in the order of their ranks. That is
// the order they are filed in: their ratio is the same, and inflation never
// falls.
type queue[V any] struct{ head, tail *Entry[V] }

func (q *queue[V]) push(e *Entry[V]) {
	e.prev, e.next = q.tail, nil
	if q.tail == nil {
		q.head = e
	} else {
		q.tail.next = e
	}
	q.tail = e
}

func (q *queue[V]) remove(e *Entry[V]) {
	if e.prev == nil {
		q.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		q.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
}
