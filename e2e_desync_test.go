package portico_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// byteOrigin keeps every byte it gets, and answers each request.
type byteOrigin struct {
	addr string

	mu    sync.Mutex
	bytes bytes.Buffer
}

func startByteOrigin(t *testing.T) *byteOrigin {
	o := new(byteOrigin)
	o.addr = acceptAll(t, o.serve)
	return o
}

func (o *byteOrigin) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes.Write(p)
}

// take returns what has come since the last time.
func (o *byteOrigin) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.bytes.Reset()
	return o.bytes.String()
}

func (o *byteOrigin) serve(conn net.Conn) {
	defer conn.Close()
	for in := bufio.NewReader(io.TeeReader(conn, o)); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
			return
		}
	}
}

const desyncChunk = "5\r\nhello\r\n0\r\n\r\n"

// desyncShapes are requests that two programs read in two ways (RFC 9112 §11.2),
// with the statuses of the answers, and what the origin gets.
var desyncShapes = []struct{ name, request, statuses, origin string }{
	{"9112-6.3 CL.TE", "POST /a HTTP/1.1\nContent-Length: 5\nTransfer-Encoding: chunked\n\n" + "0\r\n\r\n", "200 200", "POST /a HTTP/1.1|Transfer-Encoding: chunked|GET /after HTTP/1.1"},
	{"9112-6.3 TE.CL", "POST /a HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length: 3\n\n" + desyncChunk, "200 200", "POST /a HTTP/1.1|Transfer-Encoding: chunked|GET /after HTTP/1.1"},
	{"9112-6.1 unknown coding", "POST /a HTTP/1.1\nTransfer-Encoding: xchunked\n\n" + desyncChunk, "501", ""},
	{"9112-6.1 coding with tab", "POST /a HTTP/1.1\nTransfer-Encoding:\tchunked\n\n" + desyncChunk, "200 200", "POST /a HTTP/1.1|Transfer-Encoding: chunked|GET /after HTTP/1.1"},
	{"9112-6.1 coding with vertical tab", "POST /a HTTP/1.1\nTransfer-Encoding: \x0bchunked\n\n" + desyncChunk, "400", ""},
	{"9112-6.1 chunked twice", "POST /a HTTP/1.1\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n" + desyncChunk, "501", ""},
	{"9112-6.1 chunked, identity", "POST /a HTTP/1.1\nTransfer-Encoding: chunked, identity\n\n" + desyncChunk, "501", ""},
	{"9112-6.1 in HTTP/1.0", "POST /a HTTP/1.0\nConnection: keep-alive\nTransfer-Encoding: chunked\n\n" + desyncChunk, "200 400", "POST /a HTTP/1.1|Content-Length: 0"},
	{"9112-5.1 space before colon", "POST /a HTTP/1.1\nTransfer-Encoding : chunked\n\n" + desyncChunk, "400", ""},
	{"9112-5.2 folding", "POST /a HTTP/1.1\nX: y\n Transfer-Encoding: chunked\n\n", "200 200", "POST /a HTTP/1.1|Content-Length: 0|X: y Transfer-Encoding: chunked|GET /after HTTP/1.1"},
	{"9112-6.3 two lengths", "POST /a HTTP/1.1\nContent-Length: 0\nContent-Length: 5\n\nhello", "400", ""},
	{"9112-6.3 the same length twice", "POST /a HTTP/1.1\nContent-Length: 5\nContent-Length: 5\n\nhello", "200 200", "POST /a HTTP/1.1|Content-Length: 5|helloGET /after HTTP/1.1"},
	{"9110-8.6 length with plus", "POST /a HTTP/1.1\nContent-Length: +5\n\nhello", "400", ""},
	{"9110-8.6 list of lengths", "POST /a HTTP/1.1\nContent-Length: 5, 5\n\nhello", "400", ""},
	{"9110-8.6 length with space", "POST /a HTTP/1.1\nContent-Length: 5 5\n\nhello", "400", ""},
	{"9110-8.6 negative length", "POST /a HTTP/1.1\nContent-Length: -5\n\nhello", "400", ""},
	{"9112-7.1.1 chunk extension", "POST /a HTTP/1.1\nTransfer-Encoding: chunked\n\n5;x=\"y\"\r\nhello\r\n0\r\n\r\n", "200 200", "POST /a HTTP/1.1|Transfer-Encoding: chunked|GET /after HTTP/1.1"},
	{"9110-5.5 NUL in a name", "POST /a HTTP/1.1\nX\x00: y\n\n", "400", ""},
	{"9110-5.5 NUL in a value", "POST /a HTTP/1.1\nX: \x00\n\n", "400", ""},
	{"9112-2.2 bare CR", "POST /a HTTP/1.1\nX: y\rTransfer-Encoding: chunked\n\n", "400", ""},
	{"9110-10.1.1 unknown expectation", "POST /a HTTP/1.1\nExpect: 200-ok\n\n", "417", ""},
	{"9110-7.6.1 Connection: Content-Length", "POST /a HTTP/1.1\nConnection: Content-Length\nContent-Length: 5\n\nhello", "200 200", "POST /a HTTP/1.1|Content-Length: 5|helloGET /after HTTP/1.1"},
	{"9110-7.8 h2c", "GET /a HTTP/1.1\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABk\n\n", "200 200", "GET /a HTTP/1.1|Connection: Upgrade|Upgrade: h2c|GET /after HTTP/1.1"},
	{"9110-7.8 upgrade with a body", "POST /a HTTP/1.1\nConnection: Upgrade\nUpgrade: websocket\nContent-Length: 5\n\nhello", "200 200", "POST /a HTTP/1.1|Content-Length: 5|Connection: Upgrade|Upgrade: websocket|helloGET /after HTTP/1.1"},
	{"9112-2.1 two requests", "GET /a HTTP/1.1\n\nGET /b HTTP/1.1\r\nHost: site.test\r\n\r\n", "200 200 200", "GET /a HTTP/1.1|GET /b HTTP/1.1|GET /after HTTP/1.1"},
}

// In front of an origin that keeps the bytes each of them ends in a refusal, or the origin
// gets what the table says, with one length. GET /after follows each of them.
func TestDesync(t *testing.T) {
	origin := startByteOrigin(t)
	s := startSite(t, origin.addr, siteConfig{http: "reverse_proxy $ORIGIN"})
	for _, test := range desyncShapes {
		statuses := s.desync(test.request)
		if got := lines(origin.take()); statuses != test.statuses || got != test.origin {
			t.Errorf("%s: answers %q and the origin got %q, want %q and %q", test.name, statuses, got, test.statuses, test.origin)
		}
	}
}

// With request_filter each ends in one clear 400, or in one clean request at the
// origin: what Caddy passes and an origin may misread is refused or cleaned.
func TestDesyncFiltered(t *testing.T) {
	origin := startByteOrigin(t)
	s := startSite(t, origin.addr, siteConfig{http: "request_filter\nreverse_proxy $ORIGIN"})
	const after = "GET /after HTTP/1.1"
	changed := map[string][2]string{
		"9110-7.6.1 Connection: Content-Length": {"400 200", after},
		"9110-7.8 h2c":                          {"200 200", "GET /a HTTP/1.1|" + after},
		"9110-7.8 upgrade with a body":          {"400 200", after},
	}
	for _, test := range desyncShapes {
		want := [2]string{test.statuses, test.origin}
		if c, ok := changed[test.name]; ok {
			want = c
		}
		statuses := s.desync(test.request)
		if got := [2]string{statuses, lines(origin.take())}; got != want {
			t.Errorf("%s: answers and requests at the origin %q, want %q", test.name, got, want)
		}
	}
}

// A body that breaks off in the middle of its chunks has been begun at the origin,
// which never gets the end of it, nor anything behind it (RFC 9112 §8). Caddy by itself says
// 502 where 400 would be right, and reads on behind the first chunk's data.
func TestDesyncInChunks(t *testing.T) {
	origin := startByteOrigin(t)
	s := startSite(t, origin.addr, siteConfig{http: "request_filter\nreverse_proxy $ORIGIN"})
	for _, test := range []struct{ name, request, statuses string }{
		{"9112-7.1 chunk size with 0x", "POST /a HTTP/1.1\nTransfer-Encoding: chunked\n\n0x5\r\nhello\r\n0\r\n\r\n", "400"},
		{"9112-7.1 chunk size that overflows", "POST /a HTTP/1.1\nTransfer-Encoding: chunked\n\n10000000000000005\r\nhello\r\n0\r\n\r\n", "400"},
		{"9112-7.1 chunk without line break", "POST /a HTTP/1.1\nTransfer-Encoding: chunked\n\n5\r\nhelloXX0\r\n\r\n", "400"},
	} {
		if got := s.desync(test.request); got != test.statuses {
			t.Errorf("%s: answers %q, want %q", test.name, got, test.statuses)
		}
	}
	if got := origin.take(); strings.Contains(got, "\r\n0\r\n\r\n") || strings.Contains(got, "GET ") {
		t.Errorf("the origin got %q", got)
	}
}

// What HTTP/2 must not carry is refused before the origin gets a byte (RFC 9113
// §8.1.1, §8.2.1, §8.2.2, §8.3): more shapes are in TestPseudoHeaders.
func TestDesyncOfHTTP2(t *testing.T) {
	origin := startByteOrigin(t)
	s := startSite(t, origin.addr, siteConfig{https: "reverse_proxy $ORIGIN"})
	for _, test := range []struct {
		name, method, path string
		fields             []string
	}{
		{"8.2.1 line break in a value", "GET", "/a", []string{"x", "y\r\ntransfer-encoding: chunked"}},
		{"8.2.1 NUL in a value", "GET", "/a", []string{"x", "y\x00"}},
		{"8.2.1 upper case in a name", "GET", "/a", []string{"X", "y"}},
		{"8.2.1 white space in a name", "GET", "/a", []string{"x y", "z"}},
		{"8.2.2 transfer-encoding", "POST", "/a", []string{"transfer-encoding", "chunked"}},
		{"8.2.2 connection", "GET", "/a", []string{"connection", "close"}},
		{"8.2.2 upgrade", "GET", "/a", []string{"upgrade", "h2c"}},
		{"8.2.2 te", "GET", "/a", []string{"te", "chunked"}},
		{"8.3 unknown pseudo-header field", "GET", "/a", []string{":x", "y"}},
		{"8.3.1 path with a line break", "GET", "/a HTTP/1.1\r\nX: y", nil},
		{"8.3.1 method with a line break", "GET / HTTP/1.1\r\nX: y", "/a", nil},
	} {
		answer := s.frameHTTP2(test.method, "https", "site.test", test.path, test.fields...)
		if got := origin.take(); got != "" || strings.HasPrefix(answer, "2") {
			t.Errorf("%s: answer %q, the origin got %q", test.name, answer, got)
		}
	}
	// §8.1.1: a length the frames do not have is not passed on.
	s.frameHTTP2("POST", "https", "site.test", "/a", "content-length", "5")
	if got, want := lines(origin.take()), "POST /a HTTP/1.1|Content-Length: 0"; got != want {
		t.Errorf("of a request whose length is wrong the origin got %q, want %q", got, want)
	}
}

// desync sends a request with a head in short form and GET /after behind it, and
// returns the statuses of the answers.
func (s *site) desync(request string) string {
	head, body, _ := strings.Cut(request, "\n\n")
	head = strings.Replace(head, "\n", "\nHost: site.test\n", 1)
	if !strings.Contains(head, "Host") {
		head += "\nHost: site.test"
	}
	answers := s.converse(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body +
		"GET /after HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n")
	return strings.Join(answers, " ")
}

// converse sends text and reads answers until the server closes; the client does
// not close first, which would cancel what it asked for.
func (s *site) converse(text string) (statuses []string) {
	conn := s.dial(text)
	defer conn.Close()
	for r := bufio.NewReader(conn); ; {
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				s.t.Errorf("%q: the server waits for more", text)
			}
			return statuses
		}
		_, _ = io.Copy(io.Discard, response.Body)
		statuses = append(statuses, strconv.Itoa(response.StatusCode))
	}
}

// lines keeps of what the origin got its request lines, lengths and upgrades.
func lines(text string) string {
	var kept []string
	for line := range strings.SplitSeq(text, "\r\n") {
		name, _, _ := strings.Cut(strings.ToLower(line), ":")
		switch {
		case strings.HasSuffix(line, " HTTP/1.1"), name == "content-length", name == "transfer-encoding", name == "upgrade", name == "connection", name == "expect", name == "x":
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "|")
}
