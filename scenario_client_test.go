package portico_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"
)

// exchange is one request and what came of it so far.
type exchange struct {
	board
	cancel  context.CancelFunc
	status  int // 0: no head yet
	hints   int // 103 responses
	header  http.Header
	trailer http.Header
	body    []byte
	err     error // why the transfer broke
	done    bool
}

// facts are what is known of the answer so far.
func (e *exchange) facts() facts {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := messageFacts(e.header, e.body)
	f["hints"] = fmt.Sprint(e.hints)
	for name, values := range e.trailer {
		f["trailer "+name] = strings.Join(values, ", ")
	}
	return f
}

// send starts r. The answer is read as it arrives.
func send(client *http.Client, r *http.Request) *exchange {
	ctx, cancel := context.WithCancel(r.Context())
	e := &exchange{cancel: cancel}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(int, textproto.MIMEHeader) error {
			e.update(func() { e.hints++ })
			return nil
		},
	})
	go func() {
		defer cancel()
		err := e.receive(client, r.WithContext(ctx))
		e.update(func() { e.err, e.done = err, true })
	}()
	return e
}

func (e *exchange) receive(client *http.Client, r *http.Request) error {
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	e.update(func() { e.status, e.header = response.StatusCode, response.Header })
	buf := make([]byte, 32<<10)
	for {
		n, err := response.Body.Read(buf)
		e.update(func() { e.body = append(e.body, buf[:n]...) })
		if err == io.EOF {
			e.update(func() { e.trailer = response.Trailer })
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// finish waits for the end of the answer.
func (e *exchange) finish(ctx context.Context) error {
	if !e.until(ctx, func() bool { return e.done }) {
		return fmt.Errorf("no end of the answer after %v; so far %v", patience, e.facts())
	}
	return nil
}

// scriptedClient runs the client section of a scenario.
type scriptedClient struct {
	t      *testing.T
	file   string
	site   *site
	origin *scriptedOrigin
	last   []*exchange
	again  *node // the request of last
	named  map[string][]*exchange
	behind bool // something may go on behind the client's back
}

func (c *scriptedClient) run(step *node) {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	words := strings.Fields(step.text)
	var err error
	switch {
	case words[0] == "expect" && len(words) > 1:
		err = c.expect(ctx, step, words[1:])
	case words[0] == "begins" && len(words) == 3:
		err = c.begins(ctx, words[1], words[2])
	case words[0] == "arrived" && len(words) == 3:
		err = c.arrived(ctx, words[1], number(words[2]))
	case words[0] == "waiting" && len(words) == 3:
		err = c.waiting(ctx, words[1], number(words[2]))
	case words[0] == "release" && len(words) == 2:
		c.origin.update(func() { c.origin.released[words[1]] = true })
	case words[0] == "leave" && len(words) == 2:
		c.behind = true
		for _, e := range c.named[words[1]] {
			e.cancel()
		}
	case words[0] == strings.ToUpper(words[0]) && len(words) > 1:
		err = c.request(ctx, step, words)
	default:
		c.t.Fatalf("%s:%d: unknown step %q", c.file, step.line, step.text)
	}
	if err != nil {
		c.t.Fatalf("%s:%d: %v", c.file, step.line, err)
	}
}

// request sends what "METHOD PATH [xN] [as NAME]" says. One without a name is
// waited for.
func (c *scriptedClient) request(ctx context.Context, step *node, words []string) error {
	count, name := 1, ""
	for i := 2; i < len(words); i++ {
		switch {
		case words[i] == "as" && i+1 < len(words):
			i++
			name = words[i]
		case words[i][0] == 'x':
			count = number(words[i][1:])
		default:
			return fmt.Errorf("unknown word %q", words[i])
		}
	}
	exchanges := make([]*exchange, count)
	var foretold *verdict
	for i := range exchanges {
		r, err := c.compose(words[0], words[1], step.body)
		if err != nil {
			return err
		}
		if count == 1 && name == "" && r.Body == nil && c.quiet() {
			foretold = c.site.foretell(r)
		}
		exchanges[i] = send(c.site.client, r)
		c.behind = c.behind || r.Header["Range"] != nil // a part is settled after its last byte
	}
	if name != "" {
		c.named[name] = exchanges
		return nil
	}
	c.last, c.again = exchanges, step
	for _, e := range exchanges {
		if err := e.finish(ctx); err != nil {
			return err
		}
	}
	if foretold != nil {
		c.behind = c.behind || foretold.Result == "stale" // it is being refreshed
		return foretold.check(exchanges[0])
	}
	return nil
}

// requestContent is what a request brings.
type requestContent struct {
	bytes.Buffer
	there, chunked bool
}

// take takes a line that is about content.
func (c *requestContent) take(line string) bool {
	if text, ok := strings.CutPrefix(line, "| "); ok {
		c.WriteString(text)
	} else if size, ok := strings.CutPrefix(line, "pattern "); ok {
		c.Write(pattern(0, number(size)))
	} else if line == "chunked" {
		c.chunked = true
	} else {
		return false
	}
	c.there = true
	return true
}

func (c *requestContent) reader() io.Reader {
	switch {
	case c.chunked:
		return io.MultiReader(&c.Buffer) // which net/http cannot ask for its length
	case c.there:
		return &c.Buffer
	}
	return nil
}

// quiet reports that nothing is under way that could change what is stored.
func (c *scriptedClient) quiet() bool {
	if c.behind {
		return false
	}
	for _, exchanges := range c.named {
		for _, e := range exchanges {
			e.mu.Lock()
			done := e.done
			e.mu.Unlock()
			if !done {
				return false
			}
		}
	}
	return true
}

// compose makes one request. The target goes out as it is written, whatever
// net/url would make of it.
func (c *scriptedClient) compose(method, target string, lines []*node) (*http.Request, error) {
	scheme, addr := "http", c.site.vars["$HTTP"]
	if rest, ok := strings.CutPrefix(target, "https:"); ok {
		scheme, addr, target = "https", c.site.vars["$HTTPS"], rest
	}
	var content requestContent
	header := http.Header{}
	host := "site.test"
	for _, l := range lines {
		if content.take(l.text) {
			continue
		}
		name, value, ok := strings.Cut(l.text, ":")
		if !ok {
			return nil, fmt.Errorf("not a header field: %q", l.text)
		}
		value = c.site.expand(strings.TrimSpace(value))
		if name == "Host" {
			host = value
			continue
		}
		header[name] = append(header[name], value)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, scheme+"://"+addr, content.reader())
	if err != nil {
		return nil, err
	}
	r.URL = &url.URL{Scheme: scheme, Host: addr, Opaque: target}
	r.Host, r.Header = host, header
	if _, ok := header["User-Agent"]; !ok {
		header["User-Agent"] = nil // not Go's
	}
	return r, nil
}

// expect checks "[eventually] [NAME] STATUS|broken" and the lines below it.
// Eventually repeats the last request until the expectation holds.
func (c *scriptedClient) expect(ctx context.Context, step *node, words []string) error {
	eventually := words[0] == "eventually"
	if eventually {
		words = words[1:]
	}
	exchanges := c.last
	if len(words) == 2 {
		exchanges = c.named[words[0]]
	}
	want := words[len(words)-1]
	if len(exchanges) == 0 {
		return fmt.Errorf("no request to expect something of")
	}
	err := checkAll(ctx, exchanges, want, step.body)
	c.behind = c.behind || err != nil && eventually // it may happen between foretelling and asking
	for err != nil && eventually && ctx.Err() == nil {
		// Nothing the client can see tells it that a background refresh has
		// ended: it can only ask again.
		pause(ctx, 5*time.Millisecond)
		if err := c.request(ctx, c.again, strings.Fields(c.again.text)); err != nil {
			return err
		}
		err = checkAll(ctx, c.last, want, step.body)
	}
	return err
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func checkAll(ctx context.Context, exchanges []*exchange, want string, lines []*node) error {
	for i, e := range exchanges {
		if err := e.finish(ctx); err != nil {
			return err
		}
		if err := e.check(want, lines); err != nil {
			if len(exchanges) > 1 {
				return fmt.Errorf("answer %d of %d: %w", i+1, len(exchanges), err)
			}
			return err
		}
	}
	return nil
}

// check compares a finished exchange. "broken" wants a transfer that any HTTP
// client recognises as incomplete.
func (e *exchange) check(want string, lines []*node) error {
	f := e.facts()
	switch {
	case want == "broken" && e.err == nil:
		return fmt.Errorf("a complete answer %d, want a broken one; body %q", e.status, shorten(f["body"]))
	case want != "broken" && e.err != nil:
		return fmt.Errorf("status %d, then %v; want %s", e.status, e.err, want)
	case want != "broken" && fmt.Sprint(e.status) != want:
		return fmt.Errorf("status %d, want %s; header %v; body %q", e.status, want, e.header, shorten(f["body"]))
	}
	for _, l := range lines {
		if err := f.check(l.text); err != nil {
			return fmt.Errorf("line %d: %w (Cache-Status: %s)", l.line, err, f["Cache-Status"])
		}
	}
	return nil
}

// begins waits until the answers of a name have begun with text.
func (c *scriptedClient) begins(ctx context.Context, name, text string) error {
	for _, e := range c.named[name] {
		began := false
		e.until(ctx, func() bool {
			began = strings.HasPrefix(string(e.body), text)
			return began || e.done
		})
		if !began {
			return fmt.Errorf("the answer does not begin with %q: %v", text, e.facts())
		}
	}
	return nil
}

// arrived waits until the origin has got n requests for path.
func (c *scriptedClient) arrived(ctx context.Context, path string, n int) error {
	o := c.origin
	got := 0
	if !o.until(ctx, func() bool { got = o.arrived[path]; return got >= n }) {
		return fmt.Errorf("the origin got %d requests for %s, want %d", got, path, n)
	}
	return nil
}

// waiting waits until so many requests wait for a fetch, which explain says.
func (c *scriptedClient) waiting(ctx context.Context, path string, n int) error {
	for got := -1; ; {
		if v := c.site.explain("url", c.site.url(path), "header", "Host: site.test").Handlers; len(v) == 1 {
			got = v[0].Waiting
		}
		if got == n {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%d requests wait for %s, want %d", got, path, n)
		}
		pause(ctx, 5*time.Millisecond)
	}
}

// leave ends what is still under way.
func (c *scriptedClient) leave() {
	for _, exchanges := range c.named {
		for _, e := range exchanges {
			e.cancel()
		}
	}
}
