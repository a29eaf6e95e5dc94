package portico_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// A visitor keeps its cookies, as a browser does.
type visitor struct {
	s       *site
	cookies map[string]string
	set     *http.Cookie // the last one that was set
}

func (s *site) visitor() *visitor { return &visitor{s: s, cookies: map[string]string{}} }

// get returns who answered.
func (v *visitor) get(path string, fields ...string) string {
	r := v.s.request(path, fields...)
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := v.s.do(r)
	if err != nil {
		return err.Error()
	}
	seen := map[string]bool{}
	for _, c := range res.Cookies() {
		if seen[c.Name] {
			v.s.t.Errorf("the cookie %s is set twice", c.Name)
		}
		seen[c.Name] = true
		v.set = c
		v.cookies[c.Name] = c.Value
	}
	return answeredBy(res, nil)
}

// Sessions stay where they began, for a thousand requests and over a reload, and the
// cookie is set once.
func TestStickyStays(t *testing.T) {
	p := startPool(t, 3)
	s := startSite(t, "", siteConfig{http: p.proxy("lb_policy sticky")})
	var visitors []*visitor
	homes := map[*visitor]string{}
	used := map[string]bool{}
	for range 20 {
		v := s.visitor()
		homes[v] = v.get("/")
		used[homes[v]] = true
		if v.set == nil {
			t.Fatal("no cookie")
		}
		v.set = nil
		visitors = append(visitors, v)
	}
	if len(used) < 2 {
		t.Errorf("all sessions are at %v", used)
	}
	for i := range 1000 {
		if i == 500 {
			s.load(siteConfig{http: "header X-Reload 1\n" + p.proxy("lb_policy sticky")})
		}
		v := visitors[i%len(visitors)]
		if got := v.get("/"); got != homes[v] || v.set != nil {
			t.Fatalf("request %d: %s answers a session of %s (cookie %v)", i, got, homes[v], v.set)
		}
	}
}

// The cookie says nothing about the upstream, and is as safe as it can be.
func TestStickyCookie(t *testing.T) {
	tests := []struct {
		options string
		https   bool
		want    string
	}{
		{"sticky", false, "lb=; Path=/; HttpOnly; SameSite=Lax"},
		{"sticky", true, "lb=; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"sticky node {\nmax_age 1h\nsame_site strict\nsecure on\nhttp_only off\n}", false, "node=; Path=/; Max-Age=3600; Secure; SameSite=Strict"},
		{"sticky {\nsame_site none\n}", false, "lb=; Path=/; HttpOnly; Secure; SameSite=None"},
		{"sticky {\nsecure off\n}", true, "lb=; Path=/; HttpOnly; SameSite=Lax"},
	}
	for _, tt := range tests {
		t.Run(title(fmt.Sprint(tt.options, tt.https)), func(t *testing.T) {
			p := startPool(t, 2)
			c := siteConfig{http: p.proxy("lb_policy " + tt.options)}
			if tt.https {
				c.https = c.http
			}
			s := startSite(t, "", c)
			r := s.request("/")
			if tt.https {
				r.URL.Scheme, r.URL.Host = "https", s.vars["$HTTPS"]
			}
			res, err := s.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			field := res.Header.Get("Set-Cookie")
			name, rest, _ := strings.Cut(field, "=")
			value, attributes, _ := strings.Cut(rest, ";")
			if got := name + "=;" + attributes; got != tt.want {
				t.Errorf("Set-Cookie: %s, want %s", field, tt.want)
			}
			if len(value) != 24 || strings.Contains(value, "127") {
				t.Errorf("the value is %q", value)
			}
		})
	}
}

// A cookie that nobody signed, or signed with another secret, selects nothing: it
// is replaced by one that is true.
func TestStickyForged(t *testing.T) {
	p := startPool(t, 4)
	config := func(secret string) siteConfig {
		return siteConfig{http: p.proxy("lb_policy sticky {\nsecret " + secret + "\nfallback weighted\n}")}
	}
	s := startSite(t, "", config("one"))
	v := s.visitor()
	home := v.get("/")
	genuine := v.cookies["lb"]
	if v.get("/") != home {
		t.Fatal("the session has moved")
	}
	s.load(config("two"))
	forged := []string{genuine, "", "x", p[0].addr, genuine[:20], genuine + "A", strings.ToLower(genuine), strings.Repeat("A", 4000)}
	var order []string
	for _, value := range forged {
		v := s.visitor()
		v.cookies["lb"] = value
		order = append(order, v.get("/"))
		if v.set == nil || v.set.Value == value || v.get("/") != order[len(order)-1] {
			t.Errorf("%.30q: cookie %v, want a new one that counts", value, v.set)
		}
	}
	if got := strings.Join(order, " "); got != "a b c d a b c d" {
		t.Errorf("requests with forged cookies went to %s, want where the fallback sends them", got)
	}
	s.load(config("one"))
	if got := v.get("/"); got != home {
		t.Errorf("with the old secret again, the session of %s is at %s", home, got)
	}
}

// Two policies of one site keep their sessions apart in one cookie, which has no more
// than these in it.
func TestStickyTwoPools(t *testing.T) {
	p, q := startPool(t, 3), startPool(t, 3)
	c := siteConfig{http: "handle /api/* {\n" + p.proxy("lb_policy sticky") + "\n}\nhandle {\n" + q.proxy("lb_policy sticky") + "\n}"}
	s := startSite(t, "", c)
	for range 5 {
		v := s.visitor()
		v.cookies["lb"] = strings.Repeat("A", 24) + "." + strings.Repeat("B", 24)
		api, page := v.get("/api/"), v.get("/")
		if n := len(v.cookies["lb"]); n != 2*24+1 {
			t.Errorf("the cookie is %s, want two tokens", v.cookies["lb"])
		}
		for i := range 10 {
			if i == 5 {
				c.http = "header X-Reload 1\n" + c.http
				s.load(c)
			}
			if got := v.get("/api/") + v.get("/"); got != api+page {
				t.Fatalf("the sessions of %s are at %s", api+page, got)
			}
		}
	}
}

// A session whose upstream is gone goes to another one, and stays there.
func TestStickyUpstreamGone(t *testing.T) {
	p := startPool(t, 3)
	s := startSite(t, "", siteConfig{http: p.proxy("lb_policy sticky")})
	v := s.visitor()
	home := v.get("/")
	var rest pool
	for _, b := range p {
		if b.name != home {
			rest = append(rest, b)
		}
	}
	s.load(siteConfig{http: rest.proxy("lb_policy sticky")})
	next := v.get("/")
	if next == home || len(next) != 1 {
		t.Fatalf("the session of %s goes to %s", home, next)
	}
	for range 10 {
		if got := v.get("/"); got != next {
			t.Errorf("the session went to %s, then to %s", next, got)
		}
	}
}

// One that begins at an upstream that turns out to be dead gets one cookie: that of the
// upstream which answered.
func TestStickyRetry(t *testing.T) {
	p := startPool(t, 2)
	s := startSite(t, "", siteConfig{http: p.proxy("to " + freeAddr(t) + "\nlb_policy sticky {\nfallback weighted\n}\nlb_retries 2")})
	for range 9 {
		v := s.visitor()
		home := v.get("/")
		if next := v.get("/"); len(home) != 1 || next != home {
			t.Errorf("the session began at %s and is at %s", home, next)
		}
	}
}

// A drained upstream keeps its sessions and gets no new ones, drained by
// configuration or through the admin API.
func TestStickyDrain(t *testing.T) {
	for _, how := range []string{"configuration", "admin"} {
		t.Run(how, func(t *testing.T) {
			p := startPool(t, 2)
			s := startSite(t, "", siteConfig{http: p.proxy("lb_policy sticky {\nfallback weighted\n}")})
			old := s.visitor()
			if home := old.get("/"); home != "a" {
				t.Fatalf("the first session is at %s", home)
			}
			if how == "admin" {
				p[0].patch(t, `{"drain": true}`)
			} else {
				s.load(siteConfig{http: p.proxy("lb_policy sticky {\ndrain $A\nfallback weighted\n}")})
			}
			for range 20 {
				if got := old.get("/"); got != "a" {
					t.Fatalf("the old session is at %s, want a", got)
				}
				if got := s.visitor().get("/"); got != "b" {
					t.Fatalf("a new session is at %s, want b", got)
				}
			}
			if v := p[0].view(t); !v.Drain {
				t.Errorf("a is %+v, want it draining", v)
			}
		})
	}
}

// As the fallback of one of Caddy's own policies, sticky gets no ResponseWriter.
func TestStickyWithoutWriter(t *testing.T) {
	p := startPool(t, 2)
	s := startSite(t, "", siteConfig{http: p.proxy("lb_policy header X-Tenant {\nfallback sticky\n}")})
	if got := s.shares(20, 2, "/"); got["a"]+got["b"] != 20 {
		t.Errorf("answers %v, want 20 good ones", got)
	}
}

// The application's own session cookie is learnt, and forgotten when it is deleted.
func TestStickyLearnsCookie(t *testing.T) {
	testLearning(t, "sticky SESSION {\nfallback weighted\nlearn\n}", func(w http.ResponseWriter, id string) {
		http.SetCookie(w, &http.Cookie{Name: "SESSION", Value: id})
	}, func(id string) []string { return []string{"Cookie", "theme=dark; SESSION=" + id} })
}

// So is a header.
func TestStickyLearnsHeader(t *testing.T) {
	testLearning(t, "sticky {\nfallback weighted\nheader X-Session-Id\n}", func(w http.ResponseWriter, id string) {
		w.Header().Set("X-Session-Id", id)
	}, func(id string) []string { return []string{"X-Session-Id", id} })
}

func testLearning(t *testing.T, policy string, give func(http.ResponseWriter, string), with func(string) []string) {
	p := startPool(t, 3)
	var sessions atomic.Int64
	for _, b := range p {
		b.set(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/login" {
				give(w, fmt.Sprint("id", sessions.Add(1)))
			}
		})
	}
	c := siteConfig{http: p.proxy("lb_policy " + policy)}
	s := startSite(t, "", c)
	homes := []string{s.who("/login"), s.who("/login"), s.who("/login")}
	if got := strings.Join(homes, " "); got != "a b c" {
		t.Fatalf("sessions began at %s", got)
	}
	for i := range 30 {
		if i == 15 {
			c.http = "header X-Reload 1\n" + c.http
			s.load(c)
		}
		if got := s.who("/", with(fmt.Sprint("id", i%3+1))...); got != homes[i%3] {
			t.Fatalf("the session of %s is at %s", homes[i%3], got)
		}
	}
	// One that no upstream ever gave is nobody's.
	if got := s.who("/", with("made up")...) + s.who("/", with("made up")...); got != "ab" {
		t.Errorf("a session that nobody gave is at %s, want where the fallback sends it", got)
	}
}

// A learnt session whose upstream is away goes to another one, and stays there.
func TestStickyLearntMoves(t *testing.T) {
	p := startPool(t, 4)
	for _, b := range p {
		b.set(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/login" {
				http.SetCookie(w, &http.Cookie{Name: "SESSION", Value: "id"})
			}
		})
	}
	s := startSite(t, "", siteConfig{http: p.proxy("lb_policy sticky SESSION {\nfallback weighted\nlearn\n}\nlb_retries 1")})
	if got := s.who("/login"); got != "a" {
		t.Fatalf("the session began at %s", got)
	}
	p[0].set(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	home := s.who("/", "Cookie", "SESSION=id")
	p[0].set(nil)
	for range 8 {
		if got := s.who("/", "Cookie", "SESSION=id"); got != home || got == "a" {
			t.Errorf("the session has moved from a to %s, then to %s", home, got)
		}
	}
}

// A policy that another pool's sessions come to as well leaves them where they are.
func TestStickyLearntElsewhere(t *testing.T) {
	p, q := startPool(t, 3), startPool(t, 3)
	for _, b := range q {
		b.set(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/login" {
				http.SetCookie(w, &http.Cookie{Name: "SESSION", Value: "id"})
			}
		})
	}
	policy := "lb_policy sticky SESSION {\nfallback weighted\nlearn\n}"
	s := startSite(t, "", siteConfig{http: "handle /api/* {\n" + p.proxy(policy) + "\n}\nhandle {\n" + q.proxy(policy) + "\n}"})
	home := s.who("/login")
	for range 5 {
		s.who("/api/", "Cookie", "SESSION=id")
		if got := s.who("/", "Cookie", "SESSION=id"); got != home {
			t.Errorf("the session of %s is at %s", home, got)
		}
	}
}

func TestStickyForgetsDeletedCookie(t *testing.T) {
	p := startPool(t, 2)
	for _, b := range p {
		b.set(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/login":
				http.SetCookie(w, &http.Cookie{Name: "SESSION", Value: "id"})
			case "/logout":
				http.SetCookie(w, &http.Cookie{Name: "SESSION", Value: "id", MaxAge: -1})
			}
		})
	}
	s := startSite(t, "", siteConfig{http: p.proxy("lb_policy sticky SESSION {\nfallback weighted\nlearn\n}")})
	got := s.who("/login")
	for _, path := range []string{"/", "/", "/logout", "/", "/", "/"} {
		got += s.who(path, "Cookie", "SESSION=id")
	}
	if got != "aaaabab" {
		t.Errorf("requests went to %s, want aaaa, then b a b in turn", got)
	}
}

// A session whose upstream is full goes elsewhere for the time being, and comes
// back: its cookie stays.
func TestStickyFull(t *testing.T) {
	p := startPool(t, 2)
	release := make(chan struct{})
	p[0].set(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			waitFor(r, release)
		}
	})
	s := startSite(t, "", siteConfig{http: p.limited(1, "lb_policy sticky {\nfallback weighted\n}")})
	v := s.visitor()
	if home := v.get("/"); home != "a" {
		t.Fatalf("the session began at %s", home)
	}
	slow := s.sendTo("/slow", "Cookie", "lb="+v.cookies["lb"])
	eventually(t, "a to be full", func() bool { return p[0].view(t).InFlight == 1 })
	v.set = nil
	if got := v.get("/"); got != "b" || v.set != nil {
		t.Errorf("while a is full: %s (cookie %v), want b and no new cookie", got, v.set)
	}
	close(release)
	s.wait(slow, "the end", func() bool { return slow.done })
	eventually(t, "a to have room", func() bool { return p[0].view(t).InFlight == 0 })
	if got := v.get("/"); got != "a" {
		t.Errorf("afterwards the session is at %s, want a", got)
	}
}

// Sticky cookies without a secret are signed with a key that is kept in Caddy's
// storage: what another process with that storage signed counts.
func TestStickyKeyIsStored(t *testing.T) {
	p := startPool(t, 2)
	s := startSite(t, "", siteConfig{http: p.proxy("lb_policy sticky")})
	s.who("/")
	key, err := os.ReadFile(filepath.Join(s.dir, "load_balancing", "sticky.key"))
	if err != nil || len(key) != 32 {
		t.Fatalf("the key has %d bytes, %v", len(key), err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "load_balancing", "sticky.key"), []byte(strings.Repeat("k", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.load(siteConfig{http: "header X-Reload 1\n" + p.proxy("lb_policy sticky")})
	mac := hmac.New(sha256.New, []byte(strings.Repeat("k", 32)))
	fmt.Fprintf(mac, "portico sticky\nlb\n%s", p[1].addr)
	v := s.visitor()
	v.cookies["lb"] = base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
	for range 10 {
		if got := v.get("/"); got != "b" || v.set != nil {
			t.Fatalf("a cookie for b led to %s (new cookie %v)", got, v.set)
		}
	}
}
