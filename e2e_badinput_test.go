package portico_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Bad input gets a correct answer or goes to the origin; never a panic (see
// site.stop), a hang or another's bytes.

// wireOrigin answers the n-th request for a path with the n-th of its answers, raw
// bytes, the last of them again and again, and keeps the requests.
type wireOrigin struct {
	addr    string
	answers map[string][]string // by path

	mu       sync.Mutex
	requests map[string][]*http.Request
}

func startWireOrigin(t *testing.T, answers map[string][]string) *wireOrigin {
	o := &wireOrigin{answers: answers, requests: map[string][]*http.Request{}}
	o.addr = acceptAll(t, o.serve)
	return o
}

// acceptAll listens until the test ends, and has every connection served.
func acceptAll(t *testing.T, serve func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return l.Addr().String()
}

func (o *wireOrigin) serve(conn net.Conn) {
	defer conn.Close()
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	o.mu.Lock()
	answers, n := o.answers[r.URL.Path], len(o.requests[r.URL.Path])
	o.requests[r.URL.Path] = append(o.requests[r.URL.Path], r)
	o.mu.Unlock()
	if len(answers) > 0 {
		_, _ = io.WriteString(conn, answers[min(n, len(answers)-1)])
	}
}

// asked are the requests for a path so far.
func (o *wireOrigin) asked(path string) []*http.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.requests[path]
}

// head begins an answer with lines of a header.
func head(lines ...string) string {
	return "HTTP/1.1 200 OK\r\nConnection: close\r\n" + strings.Join(lines, "\r\n") + "\r\n"
}

func repeat(n int, line func(i int) string) (lines []string) {
	for i := range n {
		lines = append(lines, line(i))
	}
	return lines
}

// What an origin may send that is odd but has a body that can be relied on:
// the client gets that body, from the cache or not.
func TestOddHeadsOfTheOrigin(t *testing.T) {
	const fresh, body = "Cache-Control: max-age=60", "Content-Length: 5\r\n\r\nhello"
	long := strings.Repeat("x", 100_000)
	answers := map[string][]string{
		"/many-fields":          {head(append(repeat(1000, func(i int) string { return fmt.Sprintf("X-%d: %d", i, i) }), fresh, body)...)},
		"/long-field":           {head(fresh, "X-Long: "+long, body)},
		"/long-cache-control":   {head("Cache-Control: max-age=60, "+long, body)},
		"/many-directives":      {head("Cache-Control: "+strings.Repeat("max-age=60,", 10_000), body)},
		"/quotes":               {head(`Cache-Control: max-age="60, no-store`, body)},
		"/commas":               {head("Cache-Control: ,,,;;==,max-age=60,,=,=5", body)},
		"/huge-max-age":         {head("Cache-Control: max-age=99999999999999999999999", body)},
		"/negative-max-age":     {head("Cache-Control: max-age=-1", body)},
		"/empty-max-age":        {head("Cache-Control: max-age=", body)},
		"/huge-age":             {head(fresh, "Age: 99999999999999999999999", body)},
		"/negative-age":         {head(fresh, "Age: -5", body)},
		"/words-for-age":        {head(fresh, "Age: old, very", body)},
		"/garbage-dates":        {head(fresh, "Date: then", "Expires: later", "Last-Modified: once", body)},
		"/date-of-year-0":       {head(fresh, "Date: Sat, 01 Jan 0000 00:00:00 GMT", body)},
		"/future-last-modified": {head("Last-Modified: Fri, 31 Dec 9999 23:59:59 GMT", body)},
		"/future-date":          {head(fresh, "Date: Fri, 31 Dec 9999 23:59:59 GMT", body)},
		"/far-expires":          {head("Expires: Fri, 31 Dec 9999 23:59:59 GMT", body)},
		"/huge-vary":            {head(fresh, "Vary: "+strings.Join(repeat(5000, func(i int) string { return fmt.Sprintf("X-%d", i) }), ","), body)},
		"/vary-garbage":         {head(fresh, "Vary: , ,@,\"x\",é", body)},
		"/etag-garbage":         {head(fresh, "ETag: W/\"unfinished", body)},
		"/etag-empty":           {head(fresh, "ETag: ", body)},
		"/cache-status-garbage": {head(fresh, "Cache-Status: ;;;\"", body)},
		"/targeted-garbage":     {head(fresh, "CDN-Cache-Control: \x80\xff", body)},
		"/content-range":        {head(fresh, "Content-Range: bytes 0-4/5", body)},
		"/equal-lengths":        {head(fresh, "Content-Length: 5", body)},
		"/length-and-chunked":   {head(fresh, "Content-Length: 500", "Transfer-Encoding: chunked", "\r\n5\r\nhello\r\n0\r\n\r\n")},
		"/chunk-extension":      {head(fresh, "Transfer-Encoding: chunked", "\r\n5;name=value\r\nhello\r\n0\r\nX-Trailer: x\r\n\r\n")},
		"/stale-directives":     {head("Cache-Control: max-age=60, stale-while-revalidate=99999999999999999999, stale-if-error=-1", body)},
	}
	origin := startWireOrigin(t, answers)
	s := startSite(t, origin.addr, siteConfig{})
	for path := range answers {
		for range 3 {
			e := s.sendTo(path)
			s.wait(e, "the end of "+path, func() bool { return e.done })
			if e.err != nil || e.status != http.StatusOK || string(e.body) != "hello" {
				t.Errorf("%s: status %d, body %q, error %v (%s)", path, e.status, shorten(string(e.body)), e.err, e.header["Cache-Status"])
			}
		}
	}
}

// What an origin may send whose body cannot be relied on: an error or a broken
// transfer, never an answer that looks complete, and never a hit.
func TestBrokenAnswersOfTheOrigin(t *testing.T) {
	const fresh = "Cache-Control: max-age=60"
	answers := map[string][]string{
		"/short":            {head(fresh, "Content-Length: 500", "\r\nhello")},
		"/no-body":          {head(fresh, "Content-Length: 5", "\r\n")},
		"/two-lengths":      {head(fresh, "Content-Length: 5", "Content-Length: 6", "\r\nhello!")},
		"/negative-length":  {head(fresh, "Content-Length: -5", "\r\nhello")},
		"/words-for-length": {head(fresh, "Content-Length: five", "\r\nhello")},
		"/no-last-chunk":    {head(fresh, "Transfer-Encoding: chunked", "\r\n5\r\nhello\r\n")},
		"/bad-chunk":        {head(fresh, "Transfer-Encoding: chunked", "\r\n5\r\nhello\r\nxyz\r\n")},
		"/huge-chunk":       {head(fresh, "Transfer-Encoding: chunked", "\r\nffffffffffffffffff\r\nhello")},
		"/unknown-coding":   {head(fresh, "Transfer-Encoding: zstd", "\r\nhello")},
		"/no-status":        {"HELLO\r\n\r\nhello"},
		"/bad-status":       {"HTTP/1.1 99 Low\r\n\r\nhello"},
		"/unfinished-head":  {"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nX-"},
		"/nul-in-field":     {head(fresh, "X-Nul: a\x00b", "Content-Length: 5", "\r\nhello")},
		"/nothing":          {""},
	}
	origin := startWireOrigin(t, answers)
	s := startSite(t, origin.addr, siteConfig{})
	for path := range answers {
		for range 3 {
			e := s.sendTo(path)
			s.wait(e, "the end of "+path, func() bool { return e.done })
			if e.err == nil && e.status < 500 {
				t.Errorf("%s: a complete answer %d %q (%s)", path, e.status, e.body, e.header["Cache-Status"])
			}
		}
	}
}

// Odd requests for a stored object: the answer is the object, a part of it, an
// error, or the origin's; and the object is the same afterwards.
func TestOddRequests(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		w.Header().Set("Etag", `"v1"`)
		_, _ = w.Write(pattern(0, 10_000))
	})
	s := startSite(t, origin.addr, siteConfig{global: "servers {\nmax_header_size 1MB\n}"})
	s.get("/a")
	long := strings.Repeat("x", 200_000)
	ranges := strings.Join(repeat(2000, func(i int) string { return fmt.Sprintf("%d-%d", i, i+5000) }), ",")
	for _, field := range [][2]string{
		{"Range", "bytes=" + ranges},
		{"Range", "bytes=0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0"},
		{"Range", "bytes=99999999999999999999-"},
		{"Range", "bytes=-99999999999999999999"},
		{"Range", "bytes=9223372036854775807-9223372036854775807"},
		{"Range", "bytes=,,,"},
		{"Range", "bytes"},
		{"Range", "bytes=" + long},
		{"If-None-Match", strings.Repeat(`"x", `, 10_000)},
		{"If-None-Match", `"unfinished`},
		{"If-None-Match", long},
		{"If-Modified-Since", long},
		{"If-Range", long},
		{"Cache-Control", strings.Repeat("max-age=0,", 10_000)},
		{"Cache-Control", "max-age=99999999999999999999, min-fresh=-1, max-stale=x"},
		{"Accept-Encoding", strings.Repeat("gzip;q=0.5,", 10_000)},
		{"Cookie", long},
		{"X-Long", long},
	} {
		e := s.get("/a", field[0], field[1])
		text := shorten(field[0] + ": " + field[1])
		switch e.status {
		case http.StatusOK:
			if !bytes.Equal(e.body, pattern(0, 10_000)) {
				t.Errorf("%s: %d bytes, want 10000", text, len(e.body))
			}
		case http.StatusPartialContent:
			if len(e.body) > 20_000 {
				t.Errorf("%s: the parts take %d bytes of a body of 10000", text, len(e.body))
			}
		case http.StatusNotModified, http.StatusRequestedRangeNotSatisfiable:
		default:
			t.Errorf("%s: status %d", text, e.status)
		}
		s.hitWith("/a", pattern(0, 10_000))
	}
}

// Requests no client library makes, over a bare connection.
func TestRawRequests(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		fmt.Fprintf(w, "%s of %s", r.URL.Path, r.Host)
	})
	s := startSite(t, origin.addr, siteConfig{})
	for _, test := range []struct{ name, request, want string }{
		{"9112-3.2.2 absolute form: its host counts", "GET http://evil.test/a HTTP/1.1\r\nHost: site.test\r\n\r\n", "200 /a of evil.test"},
		{"no trace of it under the other host", "GET /a HTTP/1.1\r\nHost: site.test\r\n\r\n", "200 /a of site.test"},
		{"9112-3.2 two hosts", "GET /a HTTP/1.1\r\nHost: site.test\r\nHost: evil.test\r\n\r\n", "400"},
		{"9112-3.2 no host", "GET /a HTTP/1.1\r\n\r\n", "400"},
		{"9112-6.3 length and chunked", "GET /b HTTP/1.1\r\nHost: site.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""},
		{"9112-6.1 odd coding", "GET /b HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501"},
		{"9110-9.3.7 OPTIONS of the server", "OPTIONS * HTTP/1.1\r\nHost: site.test\r\n\r\n", ""},
		{"HTTP/1.0", "GET /a HTTP/1.0\r\nHost: site.test\r\n\r\n", "200 /a of site.test"},
		{"dots are not resolved for the key", "GET /x/../a HTTP/1.1\r\nHost: site.test\r\n\r\n", "200 /x/../a of site.test"},
		{"two slashes", "GET //a HTTP/1.1\r\nHost: site.test\r\n\r\n", "200 //a of site.test"},
	} {
		got := s.speak(test.request)
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	if e := s.get("/a"); string(e.body) != "/a of site.test" {
		t.Errorf("in the end /a is %q", e.body)
	}
}

// speak sends text on a connection of its own, and returns the status of the
// answer and its body.
func (s *site) speak(text string) string {
	answer := s.speakOnce(text)
	for range 10 {
		if s.loads < 2 || !strings.HasPrefix(answer, "no answer") {
			break
		}
		answer = s.speakOnce(text) // a reload closes what is queued
	}
	return answer
}

func (s *site) speakOnce(text string) string {
	conn := s.dial(text)
	defer conn.Close()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "no answer: " + err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return fmt.Sprintf("%d %s", response.StatusCode, body)
}
