package portico_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A rawCase is a row of testdata/filter: the bytes of a request, and the status
// it is answered with.
type rawCase struct {
	name    string // of the file's section, with the line
	status  int
	target  string
	request string
}

// readCases reads a file of testdata/filter; attacks.txt says what is in one.
func readCases(t *testing.T, file string) (cases []rawCase) {
	t.Helper()
	text, err := os.ReadFile("testdata/filter/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var section, head, content string
	var c rawCase
	flush := func() {
		if head != "" {
			c.request = head + "Connection: close\r\n\r\n" + content
			if strings.Contains(head, "\r\nConnection:") {
				c.request = head + "\r\n" + content
			}
			cases = append(cases, c)
		}
		head, content = "", ""
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "## "):
			flush()
			section = line[3:]
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "\t|"):
			content += unescape(t, line[2:])
		case line[0] == '\t':
			head += unescape(t, line[1:]) + "\r\n"
		default:
			flush()
			status, request, _ := strings.Cut(line, " ")
			method, target, _ := strings.Cut(request, " ")
			c = rawCase{name: fmt.Sprintf("%s:%d %s", file, number, section), target: unescape(t, target)}
			if c.status, err = strconv.Atoi(status); err != nil {
				t.Fatalf("%s:%d: %v", file, number, err)
			}
			head = method + " " + c.target + " HTTP/1.1\r\nHost: site.test\r\n"
		}
	}
	flush()
	return cases
}

func unescape(t *testing.T, text string) string {
	t.Helper()
	s, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return s
}

// answer sends the bytes of a request on a connection of its own, and returns the
// status of the one answer that comes.
func (s *site) answer(c rawCase) (status int) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.vars["$HTTP"])
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, c.request); err != nil {
		s.t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	method, _, _ := strings.Cut(c.request, " ")
	for {
		response, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			s.t.Errorf("%s: %q: %v", c.name, c.target, err)
			return 0
		}
		_, _ = io.Copy(io.Discard, response.Body)
		if response.StatusCode != http.StatusContinue {
			return response.StatusCode
		}
	}
}

// Attacks end with the status that the file says, and the origin gets nothing.
func TestFilterAttacks(t *testing.T) {
	origin := startByteOrigin(t)
	s := startSite(t, origin.addr, siteConfig{http: "request_filter\nreverse_proxy $ORIGIN"})
	for _, c := range readCases(t, "attacks.txt") {
		if got := s.answer(c); got != c.status {
			t.Errorf("%s: %q: status %d, want %d", c.name, c.target, got, c.status)
		}
		if got := origin.take(); got != "" {
			t.Errorf("%s: %q: the origin got %q", c.name, c.target, got)
		}
	}
}

// Legitimate requests pass, and the origin gets the target that was sent, apart
// from what the proxy makes of any target: characters that are no part of a URI
// escaped, the authority of an absolute one in Host.
func TestFilterLegitimate(t *testing.T) {
	origin := startByteOrigin(t)
	s := startSite(t, origin.addr, siteConfig{http: "request_filter\nreverse_proxy $ORIGIN"})
	for _, c := range readCases(t, "legitimate.txt") {
		if got := s.answer(c); got != c.status {
			t.Errorf("%s: %q: status %d, want %d", c.name, c.target, got, c.status)
		}
		got := requestLine(origin.take())
		if target := strings.TrimPrefix(c.target, "http://site.test"); got != "" {
			if unescaped(got) != unescaped(target) {
				t.Errorf("%s: the origin got the target %q, want %q", c.name, got, target)
			}
		} else {
			t.Errorf("%s: %q: the origin got nothing", c.name, c.target)
		}
	}
}

func requestLine(text string) (target string) {
	line, _, _ := strings.Cut(text, "\r\n")
	if fields := strings.Split(line, " "); len(fields) == 3 {
		return fields[1]
	}
	return ""
}

// unescaped undoes percent-encoding once, byte by byte.
func unescaped(target string) string {
	var b bytes.Buffer
	for i := 0; i < len(target); i++ {
		if target[i] == '%' && i+2 < len(target) {
			if n, err := strconv.ParseUint(target[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(target[i])
	}
	return b.String()
}
