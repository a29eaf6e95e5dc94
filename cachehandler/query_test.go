package cachehandler

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// echo answers with the content it got.
var echo = caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return caddyhttp.Error(http.StatusBadRequest, err)
	}
	w.Header().Set("Cache-Control", "max-age=60")
	_, err = fmt.Fprintf(w, "%s %s %d", r.Method, content, r.ContentLength)
	return err
})

func queryOf(content io.Reader, fields ...string) *http.Request {
	return prepare(httptest.NewRequest(methodQuery, "http://a/q", content), fields...)
}

// TestQueryBrokenContent: content that breaks off is the next handler's to
// complain of, and is no other request's.
func TestQueryBrokenContent(t *testing.T) {
	h := newHandler(t)
	broken := errors.New("broken off")
	r := queryOf(io.MultiReader(strings.NewReader("abc"), failingReader{broken}))
	if err := h.ServeHTTP(httptest.NewRecorder(), r, echo); !errors.Is(err, broken) {
		t.Errorf("the next handler read %v, want the error", err)
	}
	w := httptest.NewRecorder()
	if err := h.ServeHTTP(w, queryOf(strings.NewReader("abc")), echo); err != nil || w.Body.String() != "QUERY abc 3" {
		t.Errorf("the whole content then brings %q, %v", w.Body, err)
	}
}

// TestQueryTrailer: trailers are part of the request and not of the key.
func TestQueryTrailer(t *testing.T) {
	h := newHandler(t)
	for range 2 {
		r := queryOf(strings.NewReader("abc"))
		r.Trailer = http.Header{"X": nil}
		w := httptest.NewRecorder()
		if err := h.ServeHTTP(w, r, echo); err != nil || !strings.Contains(w.Header().Get("Cache-Status"), "request-body") {
			t.Errorf("Cache-Status is %q (%v), want a pass", w.Header().Get("Cache-Status"), err)
		}
	}
}

// TestQueryWithoutContent: however its absence is announced, HTTP/2 doing so by
// the end of the stream only (RFC 9113 §8.1), the origin is asked without any.
func TestQueryWithoutContent(t *testing.T) {
	h := newHandler(t)
	for i, want := range []string{"uri-miss", "hit"} {
		r := queryOf(nil)
		if i == 0 {
			r = queryOf(strings.NewReader(""))
			r.ProtoMajor, r.ContentLength = 2, -1
		}
		w := httptest.NewRecorder()
		if err := h.ServeHTTP(w, r, echo); err != nil || w.Body.String() != "QUERY  0" {
			t.Errorf("the answer is %q, %v", w.Body, err)
		}
		if got := w.Header().Get("Cache-Status"); !strings.Contains(got, want) {
			t.Errorf("Cache-Status is %q, want %s", got, want)
		}
	}
}

// TestQuerySlowContent: a client that is slow to send its content delays nobody
// with the same one.
func TestQuerySlowContent(t *testing.T) {
	h := newHandler(t)
	slow, rest := io.Pipe()
	done := make(chan string)
	go func() {
		w := httptest.NewRecorder()
		err := h.ServeHTTP(w, queryOf(slow), echo)
		done <- fmt.Sprint(w.Body, err, w.Header().Get("Cache-Status"))
	}()
	_, _ = io.WriteString(rest, "ab")
	w := httptest.NewRecorder()
	if err := h.ServeHTTP(w, queryOf(strings.NewReader("abc")), echo); err != nil || w.Body.String() != "QUERY abc 3" {
		t.Errorf("the other request got %q, %v", w.Body, err)
	}
	_, _ = io.WriteString(rest, "c")
	rest.Close()
	if got := <-done; !strings.HasPrefix(got, "QUERY abc 3 <nil>Portico; hit") {
		t.Errorf("the slow one got %q", got)
	}
}

// TestQueryExpectContinue: 100 (Continue) is sent before the content is waited for,
// and the expectation is not passed on with content that is there (RFC 9110
// §10.1.1).
func TestQueryExpectContinue(t *testing.T) {
	h := newHandler(t)
	expects := make(chan string, 1)
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		expects <- r.Header.Get("Expect")
		return echo(w, r)
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = h.ServeHTTP(w, prepare(r), next)
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "QUERY /q HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	answer := bufio.NewReader(conn)
	if line, _ := answer.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("before the content comes %q", line)
	}
	_, _ = answer.ReadString('\n')
	_, _ = io.WriteString(conn, "abc")
	response, err := http.ReadResponse(answer, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); string(body) != "QUERY abc 3" {
		t.Errorf("the answer is %q", body)
	}
	if got := <-expects; got != "" {
		t.Errorf("the origin is asked with Expect: %s", got)
	}
}

// FuzzContentDigest: digests are equal if and only if content and metadata are.
func FuzzContentDigest(f *testing.F) {
	f.Add("text/plain", "", "", "abc", "text/plain", "", "", "abc")
	f.Add("a", "b", "", "c", "ab", "", "", "c")
	f.Add("a", "", "de", "", "a", "", "d", "e")
	f.Add("ab", "", "", "c", "a", "", "", "bc")
	f.Add("ab\nc", "", "", "", "a\nbc", "", "", "")
	f.Add("", "a", "", "", "", "", "a", "")
	f.Add("", "x", "y\nContent-Type\nz", "", "z", "x\nContent-Language\ny", "", "")
	const zeros = "\x00\x00\x00\x00\x00\x00\x00" // of a length
	f.Add("", "x", "", zeros+"\x0cContent-Type"+zeros+"\x01"+zeros+"\x01y", "y", "x", "", "")
	f.Fuzz(func(t *testing.T, type1, coding1, language1, content1, type2, coding2, language2, content2 string) {
		request := func(values ...string) http.Header {
			h := http.Header{"Accept": {"whatever"}, "Content-Length": {values[0]}}
			for i, name := range []string{"Content-Type", "Content-Encoding", "Content-Language"} {
				if values[i] != "" {
					h[name] = strings.Split(values[i], "\n")
				}
			}
			return h
		}
		h1, h2 := request(type1, coding1, language1), request(type2, coding2, language2)
		same := content1 == content2
		for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Language"} {
			same = same && slices.Equal(h1[name], h2[name])
		}
		got := contentDigest(h1, []byte(content1)) == contentDigest(h2, []byte(content2))
		if got != same {
			t.Errorf("%v %q and %v %q have the same digest: %v", h1, content1, h2, content2, got)
		}
	})
}

// TestQueryKey: no GET has the key of a QUERY, whatever is in its URI.
func TestQueryKey(t *testing.T) {
	h := newHandler(t, func(h *Handler) { h.Key = &KeyOptions{Header: []string{"X"}} })
	x := &exchange{h: h, r: queryOf(nil, "X: 1")}
	x.key, x.ends = h.Key.append(nil, x.r)
	key := x.queryKey([]byte("abc"))
	if !bytes.HasPrefix(key, []byte("http://a/q\x1fq")) || !bytes.HasSuffix(key, []byte(" hX=1:1")) {
		t.Errorf("the key is %q", key)
	}
	h.cache.invalidate(t.Context(), x.key, x.ends)
	if since := h.cache.invalidated.since(key, x.ends); since.IsZero() {
		t.Error("9111-4.4 what is under the key is not invalidated with the URI")
	}
	if _, err := http.NewRequest("GET", "http://a/q\x1fq", nil); err == nil {
		t.Error("net/url takes the separator in a URI")
	}
}
