package cachehandler

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// crowd is many clients who want the same at about the same time, and an origin that
// notes when it is asked and by whom.
type crowd struct {
	*rand.Rand
	t        *testing.T
	h        *Handler
	begin    time.Time
	explicit bool // the origin gives a lifetime; else one is estimated

	mu           sync.Mutex
	running, top int
	last         time.Duration // when the origin was asked last
}

// origin answers with when it was asked, and with what cookie.
func (c *crowd) origin(w http.ResponseWriter, r *http.Request) error {
	asked := time.Since(c.begin)
	c.mu.Lock()
	c.running++
	c.top, c.last = max(c.top, c.running), max(c.last, asked)
	takes := time.Duration(1+c.IntN(1+c.IntN(80))) * time.Millisecond
	c.mu.Unlock()
	time.Sleep(takes)
	c.mu.Lock()
	c.running--
	c.mu.Unlock()
	w.Header().Set("Last-Modified", c.begin.Add(-100*time.Hour).UTC().Format(http.TimeFormat))
	if c.explicit {
		w.Header().Set("Cache-Control", "max-age=600")
	}
	_, err := fmt.Fprintf(w, "%d %s", asked, r.Header.Get("Cookie"))
	return err
}

// client asks after a while. It reports what it sent, when, and what came.
func (c *crowd) client(after time.Duration, field string) {
	time.Sleep(after)
	came := time.Since(c.begin)
	r := get("http://a/x", field)
	w := httptest.NewRecorder()
	if err := c.h.ServeHTTP(w, r, caddyhttp.HandlerFunc(c.origin)); err != nil {
		c.t.Errorf("%s: %v", field, err)
		return
	}
	body, _ := io.ReadAll(w.Body)
	var asked time.Duration
	text, cookie, _ := strings.Cut(string(body), " ")
	if _, err := fmt.Sscan(text, (*int64)(&asked)); err != nil {
		c.t.Errorf("%s: %q: %v", field, body, err)
	}
	if asked < came && c.h.policy.WantsNewer(r.Header) {
		c.t.Errorf("%s came at %v and was answered with what was asked for at %v (%s)", field, came, asked, w.Header().Get("Cache-Status"))
	}
	if cookie != "" && "Cookie: "+cookie != field && !c.explicit {
		c.t.Errorf("%s was answered with what is for %s (%s)", field, cookie, w.Header().Get("Cache-Status"))
	}
}

// Whoever asks at the same time as others gets nothing that it would not get from
// the store: no request with no-cache what was asked for before it came (RFC 9111
// §5.2.1.4), nobody what was made for another's cookie. And what is stored in the end
// is what was asked for last.
func TestCrowds(t *testing.T) {
	for seed := range uint64(400) {
		synctest.Test(t, func(t *testing.T) {
			c := &crowd{Rand: rand.New(rand.NewPCG(seed, 2)), t: t, h: newHandler(t), begin: time.Now(), explicit: seed%2 == 0}
			fields := []string{"X: y", "Cache-Control: no-cache", "Cache-Control: max-age=0", "Pragma: no-cache", "Cookie: a=%d"}
			fields = fields[c.IntN(2):]
			fields = fields[:1+c.IntN(len(fields))]
			var all sync.WaitGroup
			c.mu.Lock() // which the origin throws for its time with
			for i := range 2 + c.IntN(1+c.IntN(1+c.IntN(60))) {
				after, field := time.Duration(c.IntN(40))*time.Millisecond, fields[c.IntN(len(fields))]
				if strings.Contains(field, "%d") {
					field = fmt.Sprintf(field, i)
				}
				all.Go(func() { c.client(after, field) })
			}
			c.mu.Unlock()
			all.Wait()
			if !c.explicit {
				return
			}
			if c.top > 2 {
				t.Errorf("seed %d: %d fetches at once", seed, c.top)
			}
			stored := serve(t, c.h, get("http://a/x"), forbidden(t)).Body.String()
			if text, _, _ := strings.Cut(stored, " "); text != fmt.Sprint(int64(c.last)) {
				t.Errorf("seed %d: stored is what was asked for at %s, and the last at %d", seed, text, c.last)
			}
		})
	}
}
