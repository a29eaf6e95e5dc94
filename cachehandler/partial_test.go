package cachehandler

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/cachehandler/store/memory"
)

// large is an origin of one large representation, with a strong validator; sent
// counts the bytes of its answers.
func large(p []byte, sent *atomic.Int64, fields ...string) caddyhttp.Handler {
	return handlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("ETag", `"v"`)
		w.Header().Set("Cache-Control", "max-age=600")
		prepareFields(w.Header(), fields)
		http.ServeContent(&countingWriter{w, sent}, r, "x.bin", time.Time{}, bytes.NewReader(p))
		return nil
	})
}

func prepareFields(h http.Header, fields []string) {
	for i := 0; i+1 < len(fields); i += 2 {
		h.Set(fields[i], fields[i+1])
	}
}

type countingWriter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.n.Add(int64(len(p)))
	return w.ResponseWriter.Write(p)
}

func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return p
}

func rangeOf(from, to int) string { return fmt.Sprintf("Range: bytes=%d-%d", from, to-1) }

// Who asks for single bytes again and again makes neither the origin send more
// than these, nor the store keep more than a few parts, nor look through them.
func TestManySmallRanges(t *testing.T) {
	h, p := newHandler(t), pattern(10_000)
	var sent atomic.Int64
	for i := range 1000 {
		at := i * 7 % len(p)
		w := serve(t, h, get("http://a/x", rangeOf(at, at+1)), large(p, &sent))
		if w.Code != http.StatusPartialContent || w.Body.Len() != 1 || w.Body.Bytes()[0] != p[at] {
			t.Fatalf("byte %d: status %d, %v", at, w.Code, w.Body.Bytes())
		}
	}
	if n := sent.Load(); n > 1000 {
		t.Errorf("the origin sent %d bytes for 1000", n)
	}
	if n := h.cache.tier.Stats().Objects; n > maxParts {
		t.Errorf("%d parts are kept, want at most %d", n, maxParts)
	}
}

// What is put together is in the budget once, and right.
func TestPartsAreAccountedForOnce(t *testing.T) {
	h, p := newHandler(t), pattern(3<<20)
	var sent atomic.Int64
	for at := 0; at < len(p); at += 300_000 {
		serve(t, h, get("http://a/x", rangeOf(at, min(at+300_000, len(p)))), large(p, &sent))
	}
	w := serve(t, h, get("http://a/x"), forbidden(t))
	if !bytes.Equal(w.Body.Bytes(), p) || w.Code != http.StatusOK {
		t.Errorf("status %d, %d bytes, which are not those of the origin", w.Code, w.Body.Len())
	}
	if s := h.cache.tier.Stats(); s.Objects != 1 || s.Bytes < int64(len(p)) || s.Bytes > int64(len(p))+8192 {
		t.Errorf("%d objects of %d bytes, want one of %d", s.Objects, s.Bytes, len(p))
	}
}

// Parts are evicted as anything else, and one that alone is over the budget is not
// kept.
func TestPartsAreInTheBudget(t *testing.T) {
	h, p := newHandler(t), pattern(3<<20)
	h.cache = newCache(storeID{t.Name(), "memory"}, memory.New(1<<20))
	var sent atomic.Int64
	for i := range 20 {
		from := i % 7 * 400_000
		w := serve(t, h, get(fmt.Sprintf("http://a/%d", i), rangeOf(from, from+(i+1)*90_000)), large(p, &sent))
		if to := min(from+(i+1)*90_000, len(p)); !bytes.Equal(w.Body.Bytes(), p[from:to]) {
			t.Errorf("%d: wrong bytes", i)
		}
		if s := h.cache.tier.Stats(); s.Bytes > s.Budget {
			t.Errorf("%d: %d bytes in a budget of %d", i, s.Bytes, s.Budget)
		}
	}
}

// Ranges of what is not to be stored never wait for each other: neither different
// ones at first, nor any later.
func TestUncacheableRangesDoNotQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients = 30
		h, p := newHandler(t), pattern(1000)
		for round := range 2 {
			var atOrigin atomic.Int32
			together := make(chan struct{})
			var wg sync.WaitGroup
			for i := range clients {
				from := i
				if round == 1 {
					from = 0 // the same range: they know by now
				}
				wg.Go(func() {
					w := serve(t, h, get("http://a/x", rangeOf(from, from+5)), handlerFunc(func(w http.ResponseWriter, r *http.Request) error {
						if atOrigin.Add(1) == clients {
							close(together)
						}
						<-together // deadlocks, and fails, unless all get here
						return large(p, new(atomic.Int64), "Cache-Control", "private").ServeHTTP(w, r)
					}))
					if w.Code != http.StatusPartialContent || !bytes.Equal(w.Body.Bytes(), p[from:from+5]) {
						t.Errorf("status %d, %v", w.Code, w.Body.Bytes())
					}
				})
			}
			wg.Wait()
		}
		if n := h.cache.tier.Stats().Objects; n != 0 {
			t.Errorf("%d objects stored, want none", n)
		}
	})
}

// A handler that sends more than the range it announces, or less, leaves nothing
// that is found again, and nobody takes its bytes for those of other positions.
func TestLyingParts(t *testing.T) {
	p := pattern(100)
	for name, n := range map[string]int{"more": 60, "less": 40} {
		t.Run(name, func(t *testing.T) {
			h := newHandler(t)
			serve(t, h, get("http://a/x", rangeOf(50, 100)), large(p, new(atomic.Int64)))
			v := panicOf(func() {
				_ = h.ServeHTTP(httptest.NewRecorder(), get("http://a/x"), handlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
					w.Header().Set("ETag", `"v"`)
					w.Header().Set("Cache-Control", "max-age=600")
					w.Header().Set("Content-Range", "bytes 0-49/100")
					w.Header().Set("Content-Length", "50")
					w.WriteHeader(http.StatusPartialContent)
					_, err := w.Write(p[:n])
					return err
				}))
			})
			if v != http.ErrAbortHandler {
				t.Errorf("panicked with %v, want http.ErrAbortHandler", v)
			}
			var sent atomic.Int64
			w := serve(t, h, get("http://a/x"), large(p, &sent))
			if !bytes.Equal(w.Body.Bytes(), p) || sent.Load() != 50 {
				t.Errorf("then %d bytes, of which the origin sent %d, want its 50", w.Body.Len(), sent.Load())
			}
		})
	}
}

// A POST while the rest of a part is on its way keeps what comes of it from being
// found (RFC 9111 §4.4).
func TestInvalidationWhilePartsArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := newHandler(t), pattern(100)
		serve(t, h, get("http://a/x", rangeOf(0, 50)), large(p, new(atomic.Int64)))
		release := make(chan struct{})
		var wg sync.WaitGroup
		for _, fields := range [][]string{nil, {rangeOf(40, 60)}, {rangeOf(70, 80)}} {
			wg.Go(func() {
				serve(t, h, get("http://a/x", fields...), handlerFunc(func(w http.ResponseWriter, r *http.Request) error {
					<-release
					return large(p, new(atomic.Int64)).ServeHTTP(w, r)
				}))
			})
		}
		synctest.Wait()
		post := prepare(httptest.NewRequest(http.MethodPost, "http://a/x", nil))
		serve(t, h, post, answer("done"))
		close(release)
		wg.Wait()
		synctest.Wait()
		if n := h.cache.tier.Stats().Objects; n != 0 {
			t.Errorf("%d objects stored, want none", n)
		}
	})
}

// Readers of any part at once, while it all comes together, get their own bytes.
func TestConcurrentRanges(t *testing.T) {
	h, p := newHandler(t), pattern(200_000)
	var wg sync.WaitGroup
	for client := range 8 {
		wg.Go(func() {
			for i := range 60 {
				from := (client*7919 + i*104_729) % len(p)
				to := min(from+1+(i*31337)%40_000, len(p))
				fields := []string{rangeOf(from, to)}
				if i%20 == 19 {
					fields, from, to = nil, 0, len(p)
				}
				w := serve(t, h, get(fmt.Sprintf("http://a/%d", i/30), fields...), large(p, new(atomic.Int64)))
				if !bytes.Equal(w.Body.Bytes(), p[from:to]) {
					t.Errorf("%v: status %d, %d wrong bytes", fields, w.Code, w.Body.Len())
				}
			}
		})
	}
	wg.Wait()
}

// The first byte of a whole whose beginning is stored comes before the origin
// sends what is missing.
func TestRestIsStreamed(t *testing.T) {
	h, p := newHandler(t), pattern(100)
	serve(t, h, get("http://a/x", rangeOf(0, 50)), large(p, new(atomic.Int64)))
	release := make(chan struct{})
	got, write := io.Pipe()
	go func() {
		w := &pipeWriter{httptest.NewRecorder(), write}
		_ = h.ServeHTTP(w, get("http://a/x"), handlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("ETag", `"v"`)
			w.Header().Set("Cache-Control", "max-age=600")
			w.Header().Set("Content-Range", "bytes 50-99/100")
			w.Header().Set("Content-Length", "50")
			w.WriteHeader(http.StatusPartialContent)
			<-release
			_, err := w.Write(p[50:])
			return err
		}))
		write.Close()
	}()
	first := make([]byte, 50)
	if _, err := io.ReadFull(got, first); err != nil || !bytes.Equal(first, p[:50]) {
		t.Fatalf("%v, %v", first, err)
	}
	close(release)
	if rest, err := io.ReadAll(got); err != nil || !bytes.Equal(rest, p[50:]) {
		t.Errorf("%v, %v", rest, err)
	}
}

type pipeWriter struct {
	*httptest.ResponseRecorder
	to io.Writer
}

func (w *pipeWriter) Write(p []byte) (int, error) { return w.to.Write(p) }

// A client that leaves does not end the fetch of its part for the store, as with
// the whole: a player that seeks leaves all the time.
func TestClientOfAPartLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := newHandler(t), pattern(100)
		ctx, leave := context.WithCancel(t.Context())
		release := make(chan struct{})
		returned := make(chan struct{})
		go func() {
			defer close(returned)
			_ = h.ServeHTTP(httptest.NewRecorder(), get("http://a/x", rangeOf(10, 50)).WithContext(ctx), handlerFunc(func(w http.ResponseWriter, r *http.Request) error {
				<-release
				return large(p, new(atomic.Int64)).ServeHTTP(w, r)
			}))
		}()
		synctest.Wait()
		leave()
		<-returned
		close(release)
		synctest.Wait()
		w := serve(t, h, get("http://a/x", rangeOf(20, 30)), forbidden(t))
		if w.Code != http.StatusPartialContent || !bytes.Equal(w.Body.Bytes(), p[20:30]) {
			t.Errorf("status %d, %v", w.Code, w.Body.Bytes())
		}
	})
}
