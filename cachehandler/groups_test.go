package cachehandler

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// RFC 9875 §3: a fetch begun before a group was invalidated does not answer a
// request that came after that and joined it.
func TestJoinedAfterInvalidation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t)
		head := make(chan struct{})
		fetches := 0
		origin := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			fetches++
			body := fmt.Sprint("answer ", fetches)
			if fetches == 1 {
				<-head
			}
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Cache-Groups", `"g"`)
			_, err := w.Write([]byte(body))
			return err
		})
		ask := func() <-chan string {
			body := make(chan string, 1)
			go func() { body <- serve(t, h, get("http://a/x"), origin).Body.String() }()
			synctest.Wait()
			return body
		}
		leader, before := ask(), ask()
		time.Sleep(time.Nanosecond)
		serve(t, h, prepare(httptest.NewRequest(http.MethodPost, "http://a/change", nil)), answer("", `Cache-Group-Invalidation: "g"`))
		time.Sleep(time.Nanosecond)
		after := ask()
		if fetches != 1 {
			t.Fatalf("%d fetches: the last request did not join", fetches)
		}
		close(head)
		for name, got := range map[string]string{"the leader": <-leader, "who joined before": <-before} {
			if got != "answer 1" {
				t.Errorf("%s got %q", name, got)
			}
		}
		if got := <-after; got != "answer 2" {
			t.Errorf("who joined after got %q", got)
		}
		if got := serve(t, h, get("http://a/x"), origin).Body.String(); got != "answer 2" || fetches != 2 {
			t.Errorf("stored is %q after %d fetches", got, fetches)
		}
	})
}

// TestChangesOfTags compares the table with a twin that forgets nothing and
// mixes nothing up: the table may say later, where two tags share a slot, never
// earlier.
func TestChangesOfTags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v invalidations
		v.init()
		rng := rand.New(rand.NewPCG(1, 2))
		const tags = 300
		users := map[*atomic.Int64]int{v.slotOfTag("never"): tags} // whose time is part of each answer
		for i := range tags {
			users[v.slotOfTag(fmt.Sprint("tag", i))]++
		}
		if shared := tags + 1 - len(users); shared > 20 { // of 65536 slots it is one or two
			t.Errorf("%d tags share a slot", shared)
		}
		last := map[string]time.Time{}
		for range 20_000 {
			time.Sleep(time.Nanosecond)
			tag := fmt.Sprint("tag", rng.IntN(tags))
			if rng.IntN(2) == 0 {
				v.markTag(tag)
				last[tag] = time.Now()
				continue
			}
			got, want := v.sinceTags([]string{"never", tag}), last[tag]
			alone := users[v.slotOfTag(tag)] == 1 && users[v.slotOfTag("never")] == tags
			if got.Before(want) || alone && got.After(want) {
				t.Fatalf("%q was last invalidated at %v, and the table says %v", tag, want, got)
			}
		}
		if !v.sinceTags(nil).IsZero() {
			t.Error("no tags were invalidated")
		}
	})
}

// RFC 9111 §4.3.5, RFC 9875: a HEAD answered before a change does not bring back
// what the change has dropped.
func TestHeadOverInvalidation(t *testing.T) {
	h := newHandler(t)
	serve(t, h, get("http://a/x"), answer("one", "Cache-Control: no-cache", `Etag: "1"`, `Cache-Groups: "g"`))
	head := prepare(httptest.NewRequest(http.MethodHead, "http://a/x", nil))
	serve(t, h, head, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		serve(t, h, prepare(httptest.NewRequest(http.MethodPost, "http://a/change", nil)), answer("", `Cache-Group-Invalidation: "g"`))
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Etag", `"1"`)
		w.Header().Set("Cache-Groups", `"g"`)
		w.WriteHeader(http.StatusOK)
		return nil
	}))
	if got := serve(t, h, get("http://a/x"), answer("two", "Cache-Control: max-age=60")).Body.String(); got != "two" {
		t.Errorf("body = %q, want what came after the change", got)
	}
}
