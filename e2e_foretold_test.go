package portico_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestForetold asks explain just before each of many random requests, of random
// options and responses, whether what it says then happens: the result, its reason,
// the key, the stored response that is used and what is left of its lifetime, what
// the origin is asked with, and what is remembered of an answer that is not stored.
// And that asking changes nothing.
//
// FORETOLD=<first>-<last> in the environment plays other seeds than the few of every
// day.
func TestForetold(t *testing.T) {
	first, last := seeds(t, 12)
	for seed := first; seed <= last; seed++ {
		t.Run(strconv.Itoa(seed), func(t *testing.T) { foretell(t, uint64(seed)) })
	}
}

// seeds are those to play.
func seeds(t *testing.T, few int) (first, last int) {
	text := os.Getenv("FORETOLD")
	if text == "" {
		return 1, few
	}
	if n, err := fmt.Sscanf(text, "%d-%d", &first, &last); n != 2 {
		t.Fatalf("FORETOLD=%s: %v", text, err)
	}
	return first, last
}

func foretell(t *testing.T, seed uint64) {
	d := dice{rand.New(rand.NewPCG(seed, 0))}
	origin := new(plannedOrigin)
	c := siteConfig{admin: true, http: d.site()}
	s := startSite(t, startOrigin(t, origin.ServeHTTP).addr, c)
	for i := range 60 {
		play := &foretold{site: s, origin: origin, request: d.request(s), began: time.Now()}
		plan := d.plan()
		play.failed = plan.fails
		if play.before = s.foretell(play.request); play.before == nil {
			t.Fatalf("request %d cannot be explained: %v", i, play.request)
		}
		if again := s.foretell(play.request); !reflect.DeepEqual(ageless(play.before), ageless(again)) {
			t.Errorf("explaining changed what is explained:\n%+v\n%+v", play.before, again)
		}
		origin.next(plan)
		play.exchange = send(s.client, play.request)
		s.wait(play.exchange, "the end", func() bool { return play.exchange.done })
		play.after = play.settled()
		play.check()
		if len(play.wrong) > 0 {
			t.Fatalf("seed %d, request %d: %s %s %v\nof a site with\n%s\n%s\nforetold: %+v\ncame: %d %v (%v)\nthe origin, with %+v, got %s\nthen: %+v", seed, i,
				play.request.Method, play.request.URL, play.request.Header, c.http, strings.Join(play.wrong, "\n"), play.before,
				play.exchange.status, play.exchange.header, play.exchange.err, plan, play.asked(), play.after)
		}
	}
}

// foretold is one request with what was said before and after.
type foretold struct {
	*site
	origin   *plannedOrigin
	request  *http.Request
	began    time.Time // to explain it
	before   *verdict
	exchange *exchange
	after    *verdict

	result, reason, ttl string // of what came
	failed              bool   // the origin gives no answer
	wrong               []string
}

// ageless is a verdict without what time changes.
func ageless(v *verdict) verdict {
	c := *v
	c.Variants = slices.Clone(v.Variants)
	for i := range c.Variants {
		c.Variants[i].Age, c.Variants[i].TTL = 0, 0
	}
	c.Refusals = slices.Clone(v.Refusals)
	for i := range c.Refusals {
		c.Refusals[i].Ago, c.Refusals[i].PassesFor = 0, 0
	}
	return c
}

// settled is what explain says when nothing is on its way any more.
func (f *foretold) settled() *verdict {
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	for {
		v := f.foretell(f.request)
		refreshed := f.before.Result != "stale" || f.before.Origin == nil || len(f.origin.asked()) > 0
		if v.Fetches == 0 && refreshed && !slices.ContainsFunc(v.Variants, func(o variant) bool { return !o.Complete }) {
			return v
		}
		if ctx.Err() != nil {
			f.t.Fatalf("still on its way: %+v", v)
		}
		pause(ctx, time.Millisecond)
	}
}

func (f *foretold) complain(format string, args ...any) {
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

func (f *foretold) asked() string {
	var all []string
	for _, r := range f.origin.asked() {
		all = append(all, fmt.Sprintf("%s %s %v", r.Method, r.URL, r.Header))
	}
	return strings.Join(all, ", ")
}

func (f *foretold) check() {
	if f.exchange.header == nil {
		f.complain("no answer")
		return
	}
	words := append(strings.Fields(f.exchange.header.Get("X-Result")), "", "", "")
	f.result, f.reason, f.ttl = words[0], words[1], words[2]
	if f.exchange.status == http.StatusRequestedRangeNotSatisfiable && f.result == "" { // answered by Caddy, as the 502 is
		f.checkAnswer()
		return
	}
	if f.failed && f.exchange.status == http.StatusBadGateway {
		f.checkFailed()
		return
	}
	f.checkResult()
	f.checkKey()
	switch f.before.Result {
	case "hit", "stale":
		f.checkUsed()
	case "pass", "bypass":
		f.checkPassed()
	case "miss", "revalidated":
		f.checkAsked()
		f.checkStored()
	}
}

// checkResult: the result is the one foretold, as far as the origin has no say.
func (f *foretold) checkResult() {
	v, last := f.before, f.before.lastReason()
	fails := slices.ContainsFunc(v.Steps, func(s stage) bool { return strings.HasPrefix(s.Detail, "Then the stored") })
	ok := false
	switch v.Result {
	case "hit", "bypass":
		ok = f.result == v.Result && f.reason == last
	case "stale":
		ok = f.result == "stale" && f.reason == last
	case "pass":
		ok = f.result == "pass" && f.reason == v.passReason() || fails && f.result == "stale" && f.reason == "stale-if-error"
	case "error":
		ok = f.exchange.status >= 400
	case "miss":
		ok = f.result == "miss" || f.result == "pass" || fails && f.result == "stale"
	case "revalidated":
		ok = slices.Contains([]string{"revalidated", "miss", "pass"}, f.result) || fails && f.result == "stale"
	}
	if !ok {
		f.complain("foretold %s (%s), came %s (%s)", v.Result, last, f.result, f.reason)
	}
	asked := len(f.origin.asked())
	switch v.Result {
	case "hit", "error":
		ok = asked == 0
	case "pass", "bypass":
		ok = asked == 1
	case "stale":
		ok = asked > 0 == (v.Origin != nil)
	default:
		ok = asked > 0
	}
	if !ok {
		f.complain("foretold %s, and the origin was asked %d times", v.Result, asked)
	}
}

// checkFailed: the failure is the answer, because the origin is asked and nothing
// stored may be used instead.
func (f *foretold) checkFailed() {
	stale := slices.ContainsFunc(f.before.Steps, func(s stage) bool { return strings.HasPrefix(s.Detail, "Then the stored") })
	if stale || slices.Contains([]string{"hit", "stale", "error"}, f.before.Result) {
		f.complain("foretold %s (%v), and the failure came", f.before.Result, f.before.Steps)
	}
}

func (v *verdict) lastReason() string {
	for _, s := range slices.Backward(v.Steps) {
		if s.Reason != "" {
			return s.Reason
		}
	}
	return ""
}

// passReason is that of the step which lets the request pass.
func (v *verdict) passReason() string {
	for _, s := range slices.Backward(v.Steps) {
		if s.Reason != "" && s.Step != "if the origin fails" {
			return s.Reason
		}
	}
	return ""
}

func (f *foretold) selected() *variant {
	for i := range f.before.Variants {
		if f.before.Variants[i].Selected {
			return &f.before.Variants[i]
		}
	}
	return nil
}

func (f *foretold) checkKey() {
	status := f.exchange.header.Values("Cache-Status")
	if len(status) == 0 {
		return // an error of its own
	}
	_, key, ok := strings.Cut(status[len(status)-1], `; key="`)
	key, _, _ = strings.Cut(key, `"`)
	key = strings.ReplaceAll(key, "%1F", "\x1f") // a string of a structured field cannot have it
	known := func(v *verdict) bool {
		return key == v.Key || slices.ContainsFunc(v.Variants, func(o variant) bool { return o.Key == key })
	}
	if !ok || !known(f.before) && !known(f.after) {
		f.complain("the key is %q, explained as %q", key, f.before.Key)
	}
}

// checkUsed: what was selected is the answer.
func (f *foretold) checkUsed() {
	o := f.selected()
	if o == nil {
		f.complain("nothing is selected")
		return
	}
	ttl, _ := strconv.ParseInt(f.ttl, 10, 64)
	if d := o.TTL - ttl; d < 0 || d > int64(time.Since(f.began)/time.Second)+1 {
		f.complain("a ttl of %d was explained, %s came", o.TTL, f.ttl)
	}
	f.checkAnswer()
	if etag := f.exchange.header.Values("ETag"); !slices.Equal(etag, o.Fields["Etag"]) {
		f.complain("the variant has ETag %v, the answer %v", o.Fields["Etag"], etag)
	}
}

// checkAnswer: what of the stored response is the answer.
func (f *foretold) checkAnswer() {
	o, v := f.selected(), f.before
	if o == nil || v.Result == "revalidated" || v.Result == "miss" {
		return
	}
	want := o.Status
	for text, status := range map[string]int{": 304,": 304, ": 416,": 416, "the part it": 206} {
		if strings.Contains(v.Then, text) {
			want = status
		}
	}
	if f.exchange.status != want {
		f.complain("foretold %q, %d came", v.Then, f.exchange.status)
	}
}

var conditions = []string{"If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Range"}

// checkPassed: the request comes to the origin as it was, and what was remembered
// is why.
func (f *foretold) checkPassed() {
	seen := f.origin.asked()
	if len(seen) == 0 {
		return
	}
	for _, name := range conditions {
		if !slices.Equal(seen[0].Header[name], f.request.Header[name]) {
			f.complain("%s was %v, and at the origin %v", name, f.request.Header[name], seen[0].Header[name])
		}
	}
	if unsafe := strings.Contains(f.before.Then, "is dropped"); unsafe && f.exchange.status < 400 && f.after.Drops.URL > 0 &&
		!strings.Contains(strings.Join(f.exchange.header.Values("Cache-Status"), ", "), "; stored") {
		f.complain("foretold that what is stored is dropped, and then there were %d of %d", f.after.Drops.URL, f.before.Drops.URL)
	}
	if f.before.lastReason() == "pass-memory" && !slices.ContainsFunc(f.before.Refusals, func(r refusal) bool { return r.Passes && r.PassesFor > 0 }) {
		f.complain("passed by memory, and nothing is remembered")
	}
}

// checkAsked: the origin got the request that was foretold.
func (f *foretold) checkAsked() {
	seen := f.origin.asked()
	if len(seen) == 0 || f.before.Origin == nil {
		f.complain("no request was foretold")
		return
	}
	want := f.before.Origin
	if seen[0].Method != want.Method {
		f.complain("asked with %s, foretold %s", seen[0].Method, want.Method)
	}
	for _, name := range conditions {
		if !slices.Equal(seen[0].Header[name], want.Fields[name]) {
			f.complain("asked with %s: %v, foretold %v", name, seen[0].Header[name], want.Fields[name])
		}
	}
	for _, name := range want.Without {
		if values := seen[0].Header[name]; values != nil && !strings.HasPrefix(name, "X-Forwarded") { // which the proxy sets
			f.complain("asked with %s: %v, foretold without", name, values)
		}
	}
}

// checkStored: what Cache-Status says of storing is what explain says afterwards.
func (f *foretold) checkStored() {
	status := strings.Join(f.exchange.header.Values("Cache-Status"), ", ")
	stored := strings.Contains(status, "; stored")
	switch {
	case stored && f.after.Drops.URL == 0:
		f.complain("stored, and nothing is there")
	case stored && f.result == "miss" && !slices.ContainsFunc(f.after.Variants, func(o variant) bool {
		return o.Stored.Reason == "storable" && slices.Equal(o.Fields["Etag"], f.exchange.header.Values("ETag"))
	}):
		f.complain("stored, and not explained")
	case f.result == "pass" && len(f.origin.asked()) == 1 && f.reason != "range-request" && !slices.ContainsFunc(f.after.Refusals, func(r refusal) bool { return r.Reason == f.reason }):
		f.complain("not stored for %s, and that is not remembered", f.reason)
	}
}
