package lbsim

import "time"

// kind is what happens in an event.
type kind uint8

const (
	arrival kind = iota
	retry
	served  // a server has finished
	failed  // the backend answered with an error
	refused // there was no connection
	gaveUp  // the client has left
)

type event struct {
	at      time.Duration
	seq     int // events of one time happen in the order in which they were added
	kind    kind
	req     *request
	attempt int
	backend int
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// A queue is a binary heap of events.
type queue struct {
	heap []event
	seq  int
}

func (q *queue) add(e event) {
	q.seq++
	e.seq = q.seq
	q.heap = append(q.heap, e)
	for i := len(q.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.heap[i].before(&q.heap[up]) {
			break
		}
		q.heap[i], q.heap[up] = q.heap[up], q.heap[i]
		i = up
	}
}

func (q *queue) next() (event, bool) {
	n := len(q.heap)
	if n == 0 {
		return event{}, false
	}
	first := q.heap[0]
	q.heap[0] = q.heap[n-1]
	q.heap[n-1] = event{}
	q.heap = q.heap[:n-1]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < n-1; child++ {
			if q.heap[child].before(&q.heap[least]) {
				least = child
			}
		}
		if least == i {
			return first, true
		}
		q.heap[i], q.heap[least] = q.heap[least], q.heap[i]
		i = least
	}
}
