package cachehandler

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// nearby is how far ahead of what has arrived a part may begin to be waited
// for; one further ahead is asked from the origin.
const nearby = 1 << 20

// deliver answers with x.object, whose body may still be arriving.
func (x *exchange) deliver() step {
	x.describe()
	head := x.object.Head
	// The conditions that lead to 412 were passed to the origin.
	if httpcache.Precondition(head, x.r.Header) == http.StatusNotModified {
		x.publish()
		x.deliverNotModified()
		return stepDone
	}
	if head.Part != nil {
		return x.deliverPart()
	}
	length, known := x.completeLength()
	if head.Status == http.StatusOK && x.r.Method != http.MethodHead && x.r.Header["Range"] != nil {
		return x.deliverRange(length, known)
	}
	return x.deliverWhole(length, known)
}

// describe notes what there is to say about the object.
func (x *exchange) describe() {
	o, head := &x.outcome, x.object.Head
	// In whole seconds, as fields have it: age and ttl add up to the lifetime.
	age := head.Age(x.now)
	o.hasAge, o.age = true, age.Truncate(time.Second)
	o.ttl = head.TTL(x.now) + age - o.age
	o.tier = x.h.cache.kind
}

func (x *exchange) deliverWhole(length int64, known bool) step {
	whole := int64(-1)
	if known {
		whole = length
	}
	if x.r.Method != http.MethodHead && !x.attach(0) {
		// Broken off, or not kept: nobody else is to find it.
		if err := x.h.cache.tier.Remove(x.r.Context(), x.object); err != nil {
			x.h.storeFailed("remove", err)
		}
		return x.passFor(httpcache.TooLarge)
	}
	x.publish()
	if x.r.Method == http.MethodHead {
		x.writeHead(x.object.Head.Status, length, known, httpcache.OfContent()...)
		return stepDone
	}
	x.writeHead(x.object.Head.Status, length, known)
	x.send(0, whole)
	return stepDone
}

// completeLength is the length of the body, if that is known yet: when it is
// complete, or from Content-Length while it arrives.
func (x *exchange) completeLength() (length int64, known bool) { return lengthOf(x.object) }

// lengthOf is the length of what o is, or is a part of.
func lengthOf(o *store.Object) (length int64, known bool) {
	if p := o.Head.Part; p != nil {
		return p.Complete, p.Complete >= 0
	}
	if n, complete := o.Body.Length(); complete {
		return n, true
	}
	n := contentLength(o.Head.Status, o.Head.Fields.Get("Content-Length"))
	return n, n >= 0
}

// writeHead writes the head of a whole answer.
func (x *exchange) writeHead(status int, length int64, known bool, skip ...string) {
	h, spare := x.writeFields(skip...)
	switch {
	case status == http.StatusNoContent:
		delete(h, "Content-Length")
	case known:
		setValue(h, "Content-Length", strconv.FormatInt(length, 10), spare)
	}
	x.w.WriteHeader(status)
}

// writeFields sets the stored fields but those named, Age and Cache-Status. spare
// has room for one value more.
func (x *exchange) writeFields(skip ...string) (h http.Header, spare []string) {
	h = x.w.Header()
	layers := &x.object.Layers
	for _, name := range layers.Drops {
		delete(h, name)
	}
	var joined [][]string
	for _, name := range layers.Joins {
		joined = append(joined, h[name])
	}
	if inner := x.inner(); inner != nil {
		skip = slices.Concat(skip, inner)
	}
	spare = x.object.Head.Fields.CopyTo(h, x.values[:0], 3, skip...)
	for i, name := range layers.Joins {
		if slices.Contains(skip, name) {
			continue
		}
		h[name] = append(slices.Clone(joined[i]), h[name]...)
	}
	for name, values := range x.personal {
		h[name] = append(slices.Clone(h[name]), values...)
	}
	if age := x.age(); age != "" {
		spare = setValue(h, "Age", age, spare)
	}
	return h, x.addCacheStatus(h, spare)
}

// setValue sets one value out of spare, and returns what is left of it.
func setValue(h http.Header, name, value string, spare []string) []string {
	spare = append(spare[:0], value)
	h[name] = spare[0:1:1]
	return spare[1:1:cap(spare)]
}

// notInNotModified are the stored fields a 304 does without (RFC 9110 §15.4.5),
// which has no content.
var notInNotModified = append([]string{"Content-Length", "Content-Type", "Content-Encoding", "Content-Language", "Content-Range"},
	httpcache.OfContent()...)

func (x *exchange) deliverNotModified() {
	x.writeFields(notInNotModified...)
	x.w.WriteHeader(http.StatusNotModified)
}

// attach makes sure, before the head is written, that the body can be sent
// from an offset. It cannot if the body arrives but is not kept any more
// because it became too large.
func (x *exchange) attach(from int64) bool {
	body := x.object.Body
	if _, complete := body.Length(); complete && !body.Detached() {
		return true
	}
	if x.reader != nil && from == 0 { // opened when the head arrived
		return true
	}
	reader, err := body.Open(from)
	if err != nil {
		return false
	}
	x.detach()
	x.reader = reader
	return true
}

// detach closes the reader, if there is one.
func (x *exchange) detach() {
	if x.reader != nil {
		x.reader.Close()
		x.reader = nil
	}
}

// send writes n bytes of the body from an offset it is attached at; n < 0 is
// all there is.
func (x *exchange) send(from, n int64) {
	if x.sendComplete(from, n) {
		return
	}
	if x.reader == nil { // dropped between the head and here
		x.abort()
	}
	flush := func() { _ = http.NewResponseController(x.w).Flush() }
	for n != 0 {
		p, err := x.reader.Next(x.r.Context(), max(n, 0), flush)
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil: // the end of the request's context as well: its client may still read
			x.abort()
		}
		if _, err := x.w.Write(p); err != nil {
			return
		}
		if n > 0 {
			n -= int64(len(p))
		}
	}
}

// sendComplete is send for a body that is complete.
func (x *exchange) sendComplete(from, n int64) bool {
	length, complete := x.object.Body.Length()
	if !complete {
		return false
	}
	if n < 0 {
		n = length - from
	}
	var buf [4][]byte
	slices, ok := x.object.Body.Slices(buf[:0], from, n)
	if !ok {
		return false
	}
	for _, p := range slices {
		if _, err := x.w.Write(p); err != nil {
			break
		}
	}
	return true
}

// abort breaks the connection (or stream) off, after what has arrived: the
// client must not take a part for the whole (RFC 9112 §8).
func (x *exchange) abort() {
	_ = http.NewResponseController(x.w).Flush()
	panic(http.ErrAbortHandler)
}
