package cachehandler

import (
	"context"
	"time"
)

// This file is the fetch of a client that takes the whole response. It runs in
// the goroutine of that client's handler, which shares its Replacer and its
// variables with the handlers behind the cache, as if there were no cache, and
// returns when they have. That saves a copy of everything handlers write to and a
// switch of goroutines before the first byte.

// takesWhole reports that the client has to wait for the end of the body
// anyway. Who asks for a part, or whether something changed, need not.
func (x *exchange) takesWhole() bool {
	for _, name := range conditional {
		if x.r.Header[name] != nil {
			return false
		}
	}
	return true
}

// lead asks the origin. A body that does not come at once is delivered beside
// it, so that the client's pace is not the pace of the others.
func (x *exchange) lead() step {
	f := x.newFetch()
	f.led, f.leader, f.loan.w = true, x, x.w
	f.rec.init(f, x.w.Header())
	f.req = x.r.WithContext(f.ctx)
	f.req.Header = x.r.Header.Clone()
	f.toOrigin()

	stop := context.AfterFunc(x.r.Context(), f.clientGone)
	f.run()
	stop()
	if f.delivery != nil {
		f.delivery.wait()
		return stepDone
	}
	return x.landed(f)
}

// delivery sends a body to the leader's client while the leader's goroutine
// goes on filling it.
type delivery struct {
	done     chan struct{}
	panicked any
}

// beginDelivery is called by the recorder when the body will not be complete
// with what is about to be written. The head is written here, because handlers
// before the cache may look at placeholders and variables then.
func (f *fetch) beginDelivery() {
	x := f.leader
	if !f.led || f.delivery != nil || x.r.Context().Err() != nil {
		return
	}
	x.now = time.Now()
	x.take(f)
	if x.reader == nil {
		return
	}
	f.delivery = &delivery{done: make(chan struct{})}
	x.describe()
	length, known := x.completeLength()
	x.publish()
	x.writeHead(x.object.Head.Status, length, known)
	if !known {
		length = -1
	}
	go f.delivery.run(func() { x.send(0, length) })
}

func (d *delivery) run(send func()) {
	defer close(d.done)
	defer func() { d.panicked = recover() }()
	send()
}

// wait waits for the end of the delivery, and breaks the connection off if the
// body did.
func (d *delivery) wait() {
	<-d.done
	if d.panicked != nil {
		panic(d.panicked)
	}
}
