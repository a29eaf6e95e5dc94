package portico_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// board is state that a test can wait on: every change makes the waiters look
// again.
type board struct {
	mu      sync.Mutex
	changed chan struct{} // closed by the next change
}

// update changes the state.
func (b *board) update(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// until waits for ok, which looks at the state. It reports false when ctx ends first.
func (b *board) until(ctx context.Context, ok func() bool) bool {
	for {
		b.mu.Lock()
		if ok() {
			b.mu.Unlock()
			return true
		}
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// scriptedOrigin answers as the origin sections of a scenario say. It closes
// every connection after one request: Go's transport repeats a request whose
// reused connection breaks, and such a request would be counted twice.
type scriptedOrigin struct {
	t    *testing.T
	file string
	addr string
	ctx  context.Context // ends with the scenario

	board
	answers  map[string][]*node // by path, or path and query; "*" for the rest
	arrived  map[string]int
	released map[string]bool
}

func startScriptedOrigin(t *testing.T, file string) *scriptedOrigin {
	o := &scriptedOrigin{
		t: t, file: file, ctx: t.Context(),
		answers:  map[string][]*node{},
		arrived:  map[string]int{},
		released: map[string]bool{},
	}
	server := httptest.NewUnstartedServer(o)
	server.Config.SetKeepAlivesEnabled(false)
	server.Start()
	o.addr = server.Listener.Addr().String()
	t.Cleanup(server.Close) // after t.Context has ended: no answer holds any more
	return o
}

// script sets the answers for requests of path.
func (o *scriptedOrigin) script(path string, answers []*node) {
	for i, a := range answers {
		word, _, _ := strings.Cut(a.text, " ")
		if word != "answer" || strings.HasSuffix(a.text, " always") && i != len(answers)-1 {
			o.t.Fatalf("%s:%d: not an answer: %q", o.file, a.line, a.text)
		}
	}
	o.answers[path] = answers
}

// next takes the answer to r, and says which path of the script it belongs to.
func (o *scriptedOrigin) next(r *http.Request) (path string, answer *node) {
	o.update(func() {
		path = "*"
		for _, candidate := range []string{r.URL.RequestURI(), r.URL.Path} {
			if _, ok := o.answers[candidate]; ok {
				path = candidate
				break
			}
		}
		n := o.arrived[path]
		o.arrived[path]++
		answers := o.answers[path]
		switch {
		case n < len(answers):
			answer = answers[n]
		case len(answers) > 0 && strings.HasSuffix(answers[len(answers)-1].text, " always"):
			answer = answers[len(answers)-1]
		}
	})
	return path, answer
}

func (o *scriptedOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, answer := o.next(r)
	if answer == nil {
		o.t.Errorf("%s: a request too many for the origin: %s %s (%s)", o.file, r.Method, r.URL.RequestURI(), path)
		http.Error(w, "not in the script", http.StatusTeapot)
		return
	}
	body, _ := io.ReadAll(r.Body)
	seen := messageFacts(r.Header, body)
	seen["length"] = fmt.Sprint(r.ContentLength)
	seen["method"], seen["uri"], seen["Host"] = r.Method, r.URL.RequestURI(), r.Host
	var status int
	if _, err := fmt.Sscanf(answer.text, "answer %d", &status); err != nil {
		status = 0 // "answer raw"
	}
	p := &performance{scriptedOrigin: o, w: w, status: status, seen: seen}
	p.prepare(answer.body)
	for _, line := range answer.body {
		p.perform(line)
	}
	p.writeHead()
}

// finished fails the test unless every answer was asked for, but for those of
// "always".
func (o *scriptedOrigin) finished() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for path, answers := range o.answers {
		for _, a := range answers[min(o.arrived[path], len(answers)):] {
			if strings.HasSuffix(a.text, " always") {
				continue
			}
			o.t.Errorf("%s:%d: the origin was not asked for this answer", o.file, a.line)
		}
	}
}

// performance is one answer being given.
type performance struct {
	*scriptedOrigin
	w         http.ResponseWriter
	status    int
	seen      facts
	headOut   bool
	patterned int // how much of the pattern went out
}

// prepare gives the body a Content-Length, unless the script says another one
// or `chunked`, or stops in the middle.
func (p *performance) prepare(lines []*node) {
	length := 0
	for _, l := range lines {
		word, rest, _ := strings.Cut(l.text, " ")
		switch word {
		case "|":
			length += len(rest)
		case "pattern":
			length += number(rest)
		case "hold", "abort", "chunked", "trailer", "Content-Length:":
			return
		}
	}
	if p.status >= 200 && p.status != http.StatusNoContent && p.status != http.StatusNotModified {
		p.w.Header().Set("Content-Length", fmt.Sprint(length))
	}
}

func (p *performance) perform(l *node) {
	word, rest, _ := strings.Cut(l.text, " ")
	switch word {
	case "sees":
		if err := p.seen.check(rest); err != nil {
			p.t.Errorf("%s:%d: the origin's request: %v", p.file, l.line, err)
		}
	case "|":
		p.write([]byte(rest))
	case "pattern":
		p.write(pattern(p.patterned, number(rest)))
		p.patterned += number(rest)
	case "hold":
		p.writeHead()
		p.until(p.ctx, func() bool { return p.released[rest] })
	case "hold-head":
		p.until(p.ctx, func() bool { return p.released[rest] })
	case "hint":
		name, value, _ := strings.Cut(rest, ": ")
		p.w.Header().Set(name, value)
		p.w.WriteHeader(http.StatusEarlyHints)
		p.w.Header().Del(name)
	case "abort":
		panic(http.ErrAbortHandler)
	case "trailer":
		name, value, _ := strings.Cut(rest, ": ")
		p.writeHead()
		p.w.Header().Set(http.TrailerPrefix+name, value)
	case "raw":
		p.raw(l.body)
	case "chunked":
	default:
		p.field(l)
	}
}

func (p *performance) field(l *node) {
	name, value, ok := strings.Cut(l.text, ":")
	if !ok || strings.Contains(name, " ") || p.headOut {
		p.t.Errorf("%s:%d: not a header field: %q", p.file, l.line, l.text)
		return
	}
	// The map directly: Set and Add would hide odd spelling.
	p.w.Header()[name] = append(p.w.Header()[name], strings.TrimPrefix(value, " "))
}

func (p *performance) writeHead() {
	if !p.headOut && p.status != 0 {
		p.headOut = true
		p.w.WriteHeader(p.status)
		_ = http.NewResponseController(p.w).Flush()
	}
}

// write sends a piece of the body at once. A client that is gone is no
// failure: scenarios make clients go.
func (p *performance) write(b []byte) {
	if !p.headOut {
		p.headOut = true
		p.w.WriteHeader(p.status)
	}
	_, _ = p.w.Write(b)
	_ = http.NewResponseController(p.w).Flush()
}

// raw writes lines on the connection as they are, each ended by CRLF except
// those that begin with "| ", and closes it.
func (p *performance) raw(lines []*node) {
	conn, _, err := http.NewResponseController(p.w).Hijack()
	if err != nil {
		p.t.Errorf("%s: taking the origin's connection: %v", p.file, err)
		return
	}
	defer conn.Close()
	for _, l := range lines {
		text, piece := strings.CutPrefix(l.text, "| ")
		if !piece {
			text = strings.TrimPrefix(l.text, "<") + "\r\n"
		}
		if _, err := io.WriteString(conn, text); err != nil {
			return
		}
	}
}

// messageFacts are the fields, several lines of one joined (RFC 9110 §5.2),
// and the body of a message.
func messageFacts(h http.Header, body []byte) facts {
	f := facts{"body": string(body)}
	for name, values := range h {
		f[name] = strings.Join(values, ", ")
	}
	return f
}
