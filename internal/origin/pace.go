package origin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pace is when the parts of an answer may leave.
type pace struct {
	delay time.Duration
	gate  string
	holds []hold // by offset
	chunk int64
	every time.Duration
	step  string
	abort int64 // -1: never
}

// hold is a gate in the middle of an answer.
type hold struct {
	at   int64
	gate string
}

// hold reads "gate@offset".
func (p *pace) hold(v string) error {
	gate, at, ok := strings.Cut(v, "@")
	offset, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || gate == "" {
		return errors.New("want <gate>@<offset>")
	}
	p.holds = append(p.holds, hold{offset, gate})
	slices.SortStableFunc(p.holds, func(a, b hold) int { return int(a.at - b.at) })
	return nil
}

// pacer is the ResponseWriter of every page: it lets bytes pass at the pace
// of the script, flushed whenever it waits, so that whatever a script sends
// before a hold has left the origin. It deliberately hides ReaderFrom, which
// would go around it.
type pacer struct {
	http.ResponseWriter
	ctx     context.Context
	origin  *Origin
	pace    pace
	written int64
	began   bool // the final header was sent
	due     bool // the wait between two chunks comes before the next byte
}

// start waits for what has to pass before the header.
func (p *pacer) start() {
	if p.pace.delay > 0 {
		p.must(p.origin.Sleep(p.ctx, p.pace.delay))
	}
	if p.pace.gate != "" {
		p.must(p.origin.Gate(p.pace.gate).wait(p.ctx))
	}
}

func (p *pacer) WriteHeader(status int) {
	p.ResponseWriter.WriteHeader(status)
	if status >= 200 && !p.began {
		p.began = true
		p.stop()
	}
}

func (p *pacer) Write(b []byte) (int, error) {
	if !p.began {
		p.WriteHeader(http.StatusOK)
	}
	written := 0
	for len(b) > 0 {
		if p.due {
			p.due = false
			p.between()
		}
		part := min(int64(len(b)), p.untilStop())
		n, err := p.ResponseWriter.Write(b[:part])
		p.written += int64(n)
		written += n
		if err != nil {
			return written, err
		}
		b = b[n:]
		p.due = p.pace.chunk > 0 && p.written%p.pace.chunk == 0
		p.stop()
	}
	return written, nil
}

// untilStop is how many bytes may be written before the next wait.
func (p *pacer) untilStop() int64 {
	next := int64(1 << 62)
	if p.pace.abort >= 0 {
		next = p.pace.abort - p.written
	}
	if len(p.pace.holds) > 0 {
		next = min(next, p.pace.holds[0].at-p.written)
	}
	if p.pace.chunk > 0 {
		next = min(next, p.pace.chunk-p.written%p.pace.chunk)
	}
	return max(next, 1)
}

// stop does what the script has at the offset just reached.
func (p *pacer) stop() {
	for len(p.pace.holds) > 0 && p.pace.holds[0].at <= p.written {
		gate := p.pace.holds[0].gate
		p.pace.holds = p.pace.holds[1:]
		p.flush()
		p.must(p.origin.Gate(gate).wait(p.ctx))
	}
	if p.pace.abort >= 0 && p.pace.abort <= p.written {
		p.flush()
		panic(http.ErrAbortHandler)
	}
}

// between flushes, then waits as every and step say.
func (p *pacer) between() {
	p.flush()
	if p.pace.every > 0 {
		p.must(p.origin.Sleep(p.ctx, p.pace.every))
	}
	if p.pace.step != "" {
		p.must(p.origin.Gate(p.pace.step).wait(p.ctx))
	}
}

// flush sends what is buffered. An error means that the client is gone, which
// the next write or wait will find out.
func (p *pacer) flush() {
	_ = http.NewResponseController(p.ResponseWriter).Flush()
}

// must breaks the connection if a wait ended without its time having come.
func (p *pacer) must(err error) {
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// Unwrap gives http.ResponseController what the server's own writer can.
func (p *pacer) Unwrap() http.ResponseWriter { return p.ResponseWriter }
