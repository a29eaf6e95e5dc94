package cachehandler

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// inPieces answers with pieces of a storable body; after each but the last it
// waits for a token.
func inPieces(length int, tokens <-chan struct{}, flushed bool, pieces ...string) caddyhttp.Handler {
	return caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Cache-Control", "max-age=60")
		if length >= 0 {
			w.Header().Set("Content-Length", strconv.Itoa(length))
		}
		for i, piece := range pieces {
			if i > 0 {
				<-tokens
			}
			if _, err := io.WriteString(w, piece); err != nil {
				return err
			}
			if flushed {
				_ = http.NewResponseController(w).Flush()
			}
		}
		return nil
	})
}

// What has arrived reaches the leader's client when the origin pauses, however
// long the body is and whatever is known of its length.
func TestLeaderSeesPiecesAsTheyCome(t *testing.T) {
	long := strings.Repeat("x", 64<<10)
	tests := []struct {
		name    string
		length  int
		flushed bool
		pieces  []string
	}{
		{"short, announced", 6, false, []string{"abc", "def"}},
		{"short, announced, flushed", 6, true, []string{"abc", "def"}},
		{"short, not announced", -1, false, []string{"abc", "def"}},
		{"short, in three pieces", 9, false, []string{"abc", "def", "ghi"}},
		{"all but one byte at once", len(long), false, []string{long[1:], "x"}},
		{"long", 2 * len(long), false, []string{long, long}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHandler(t)
				tokens := make(chan struct{})
				w := httptest.NewRecorder()
				returned := make(chan error)
				go func() {
					returned <- h.ServeHTTP(w, get("http://a/x"), inPieces(tt.length, tokens, tt.flushed, tt.pieces...))
				}()
				want := ""
				for i, piece := range tt.pieces {
					if i > 0 {
						tokens <- struct{}{}
					}
					want += piece
					synctest.Wait()
					if got := w.Body.String(); got != want {
						t.Fatalf("after %d pieces the client has %d bytes, want %d", i+1, len(got), len(want))
					}
				}
				if err := <-returned; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// slowWriter blocks in its second Write, as a socket with a full buffer does.
type slowWriter struct {
	*httptest.ResponseRecorder
	writes int
	unlock chan struct{}
}

func (w *slowWriter) Write(p []byte) (int, error) {
	if w.writes++; w.writes > 1 {
		<-w.unlock
	}
	return w.ResponseRecorder.Write(p)
}

// A leader whose client does not read delays nobody, and gets all of it later.
func TestSlowLeaderDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t)
		tokens := make(chan struct{})
		slow := &slowWriter{ResponseRecorder: httptest.NewRecorder(), unlock: make(chan struct{})}
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = h.ServeHTTP(slow, get("http://a/x"), inPieces(9, tokens, false, "abc", "def", "ghi"))
		})
		synctest.Wait()
		other := make(chan string)
		go func() { other <- serve(t, h, get("http://a/x"), forbidden(t)).Body.String() }()
		for range 2 {
			tokens <- struct{}{}
		}
		if got := <-other; got != "abcdefghi" {
			t.Errorf("the other has %q", got)
		}
		if got := slow.Body.String(); got == "abcdefghi" {
			t.Error("the slow one has all of it: it was to be stuck")
		}
		close(slow.unlock)
		wg.Wait()
		if got := slow.Body.String(); got != "abcdefghi" {
			t.Errorf("the slow one got %q in the end", got)
		}
	})
}

// The body that breaks off under a delivery breaks the leader's connection off.
func TestDeliveryOfABrokenBody(t *testing.T) {
	h := newHandler(t)
	w := httptest.NewRecorder()
	v := panicOf(func() {
		_ = h.ServeHTTP(w, get("http://a/x"), handlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}))
	})
	if v != http.ErrAbortHandler {
		t.Errorf("panicked with %v, want http.ErrAbortHandler", v)
	}
	if got := w.Body.String(); got != "half" {
		t.Errorf("body = %q, want what arrived", got)
	}
}
