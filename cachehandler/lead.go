package cachehandler

import (
	"context"
	"time"
)

// This file is the fetch of a client that takes the whole response. It runs in
// the goroutine of that client's handler, which shares its Replacer and its
// variables with the handlers behind the cache, as if there were no cache, and
// returns when they have. That saves a copy of what handlers write to and a
// switch of goroutines before the first byte.

// takesWhole reports that the client takes whatever comes, whole. Who asks for
// a part, or whether something changed, need not wait for the end of the body.
// And where a stored response is validated, the answer may be about another
// one, and where the rest of a part is asked for, it may not fit; then the
// handlers are called again, on the request as it was.
func (x *exchange) takesWhole() bool {
	if x.object != nil || x.portion != nil {
		return false
	}
	for _, name := range conditional {
		if x.r.Header[name] != nil {
			return false
		}
	}
	return true
}

// lead asks the origin. A body that does not come in one piece is delivered
// beside it, so that the client's pace is not the pace of the others.
func (x *exchange) lead() step {
	f := x.newFetch()
	x.led, f.led, f.leader, f.loan.w = f, true, x, x.w
	f.rec.begin(x.w.Header())
	f.client = x.r.Header.Clone()
	f.req = x.r.WithContext(f.ctx) // with the same header: placeholders are of x.r
	f.toOrigin()

	stop := context.AfterFunc(x.r.Context(), f.clientGone)
	f.run()
	stop()
	if f.delivery != nil {
		f.delivery.end()
		return stepDone
	}
	return x.landed(f)
}

// delivery sends a body to the leader's client while the leader's goroutine
// goes on filling it.
type delivery struct {
	send     func()
	done     chan struct{}
	panicked any
}

// beginDelivery is called by the recorder before it writes to a body that will
// not be complete then, or if a handler flushes. It reports whether the delivery
// has begun just now. No byte of the body is ever written to the client here:
// that could block, and everybody would wait.
func (f *fetch) beginDelivery() bool {
	if !f.led || f.delivery != nil || f.leader.r.Context().Err() != nil || !f.prepareDelivery() {
		return false
	}
	go f.delivery.run()
	return true
}

// prepareDelivery writes the head. It does so here because handlers before the
// cache may then look at placeholders and variables, which handlers behind it
// must not change meanwhile.
func (f *fetch) prepareDelivery() bool {
	x := f.leader
	x.now = time.Now()
	if x.take(f); x.reader == nil {
		return false
	}
	x.describe()
	length, known := x.completeLength()
	x.publish()
	x.writeHead(x.object.Head.Status, length, known)
	if !known {
		length = -1
	}
	f.delivery = &delivery{send: func() { x.send(0, length) }, done: make(chan struct{})}
	return true
}

func (d *delivery) run() {
	defer close(d.done)
	defer func() { d.panicked = recover() }()
	d.send()
}

// end is called when the handlers have returned. It breaks the connection off if
// the body did.
func (d *delivery) end() {
	<-d.done
	if d.panicked != nil {
		panic(d.panicked)
	}
}
