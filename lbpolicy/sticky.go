package lbpolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() {
	caddy.RegisterModule(new(Sticky))
}

// Sticky keeps a session at the upstream it began at. By default a cookie of its
// own names the upstream: signed, so that a client can neither choose one nor
// see its address. Or it learns which upstream a session belongs to from the cookie or
// header that the application itself gives its sessions.
//
// A cookie that was forged, or whose upstream is gone, selects nothing: the request
// goes where the fallback policy sends it, and gets a new cookie. An upstream
// that is full gives the request away, but keeps the session.
type Sticky struct {
	Options

	// The name of the cookie. Default: `lb`.
	Name string `json:"name,omitempty"`

	// What the cookie is signed with; may contain global placeholders such as
	// `{env.LB_SECRET}`. Several Caddys need the same one. Default: a random key,
	// kept in Caddy's storage.
	Secret string `json:"secret,omitempty"`

	// How long browsers keep the cookie. Default: `0`, until they are closed.
	MaxAge caddy.Duration `json:"max_age,omitempty"`

	// The cookie's SameSite attribute: `strict`, `lax` or `none`. Default: `lax`.
	SameSite string `json:"same_site,omitempty"`

	// The cookie's Secure attribute: `on`, `off`, or `auto`, which sets it where
	// the client uses HTTPS. Default: `auto`.
	Secure string `json:"secure,omitempty"`

	// The cookie's HttpOnly attribute: `on` or `off`. Default: `on`.
	HTTPOnly string `json:"http_only,omitempty"`

	// Learn the session from the application's own cookie, whose name is `name`,
	// instead of setting one.
	Learn *Learn `json:"learn,omitempty"`

	// Learn the session from this header, which the application sends with
	// a response and the client with later requests, instead of a cookie.
	Header string `json:"header,omitempty"`

	// Addresses of upstreams that keep their sessions and get no new ones.
	Drain []string `json:"drain,omitempty"`

	// The policy for requests without a session. Default: `least_time`.
	FallbackRaw json.RawMessage `json:"fallback,omitempty" caddy:"namespace=http.reverse_proxy.selection_policies inline_key=policy"`

	balancer balancer
	fallback guest
	sessions sessions
}

// Learn bounds the memory of learnt sessions, which survives a reload.
type Learn struct {
	// How many sessions are remembered; the one that was idle longest goes first.
	// One takes about 200 bytes. Default: `100000`.
	Max int `json:"max,omitempty"`

	// How long a session without requests is remembered. Default: `1h`.
	Idle caddy.Duration `json:"idle,omitempty"`
}

// sessions know where sessions are at home.
type sessions interface {
	// home returns the index in c.pool of the upstream of the request's session,
	// or -1.
	home(c *choice, r *http.Request) int
	// settle notes that the request's session is at m from now on.
	settle(c *choice, m *member, r *http.Request, w http.ResponseWriter)
}

const (
	sameSiteStrict = "strict"
	sameSiteLax    = "lax"
	sameSiteNone   = "none"

	on, off, auto = "on", "off", "auto"
)

// CaddyModule returns the Caddy module information.
func (*Sticky) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.selection_policies.sticky",
		New: func() caddy.Module { return new(Sticky) },
	}
}

// Provision sets up the policy.
func (p *Sticky) Provision(ctx caddy.Context) (err error) {
	if err = p.validate(); err != nil {
		return err
	}
	p.balancer.members.draining = p.Drain
	if err = p.balancer.provision(ctx, "sticky", &p.Options); err != nil {
		return err
	}
	if err = p.balancer.checkAddresses("drain", p.Drain); err != nil {
		return err
	}
	if p.learns() {
		learnt := p.newLearnt()
		p.balancer.tap.observers = append(p.balancer.tap.observers, learnt)
		p.sessions = learnt
	} else {
		k := p.newCookie(ctx)
		cookies.Store(k, &p.balancer.members)
		p.sessions = k
	}
	p.fallback, err = p.balancer.loadGuest(ctx, p, "FallbackRaw", &p.FallbackRaw)
	return err
}

func (p *Sticky) learns() bool { return p.Learn != nil || p.Header != "" }

// validate checks the options, and that they go together.
func (p *Sticky) validate() error {
	switch {
	case p.Header != "" && p.Name != "":
		return errors.New("header: does not go together with a cookie's name")
	case p.learns() && (p.Secret != "" || p.MaxAge != 0 || p.SameSite != "" || p.Secure != "" || p.HTTPOnly != ""):
		return errors.New("secret, max_age, same_site, secure and http_only are of the policy's own cookie, not of learnt sessions")
	case p.Learn != nil && p.Header == "" && p.Name == "":
		return errors.New("learn: needs the name of the application's cookie")
	case p.Learn != nil && (p.Learn.Max < 0 || p.Learn.Max > maxSessions):
		return fmt.Errorf("learn: max: %d is not a whole number up to %d", p.Learn.Max, maxSessions)
	case p.Learn != nil && p.Learn.Idle < 0:
		return fmt.Errorf("learn: idle: %s is negative", time.Duration(p.Learn.Idle))
	case p.MaxAge < 0:
		return fmt.Errorf("max_age: %s is negative", time.Duration(p.MaxAge))
	case p.SameSite == sameSiteNone && p.Secure == off:
		return errors.New("same_site: browsers refuse none without secure")
	}
	if p.Name != "" && !isToken(p.Name) {
		return fmt.Errorf("name: '%s' cannot name a cookie", p.Name)
	}
	if p.Header != "" && !isToken(p.Header) {
		return fmt.Errorf("header: '%s' cannot name a header", p.Header)
	}
	return errors.Join(
		checkWord("same_site", p.SameSite, sameSiteStrict, sameSiteLax, sameSiteNone),
		checkWord("secure", p.Secure, on, off, auto),
		checkWord("http_only", p.HTTPOnly, on, off),
	)
}

func checkWord(option, word string, words ...string) error {
	if word == "" {
		return nil
	}
	if _, err := oneOf(words...)(word); err != nil {
		return fmt.Errorf("%s: %w", option, err)
	}
	return nil
}

// Cleanup implements caddy.CleanerUpper.
func (p *Sticky) Cleanup() error {
	switch s := p.sessions.(type) {
	case *learnt:
		s.release()
	case *cookie:
		cookies.Delete(s)
	}
	return p.balancer.cleanup()
}

// Select implements reverseproxy.Selector.
func (p *Sticky) Select(pool reverseproxy.UpstreamPool, r *http.Request, w http.ResponseWriter) *reverseproxy.Upstream {
	return p.balancer.pick(pool, r, w, p)
}

func (p *Sticky) choose(c *choice, r *http.Request, w http.ResponseWriter) int {
	state := homeGone
	home := p.sessions.home(c, r)
	if home >= 0 {
		state = c.state(home)
	}
	if state == homeOpen {
		return home
	}
	i := p.fallback.choose(c, r, w)
	if i >= 0 && state == homeGone {
		p.sessions.settle(c, c.members[i], r, w)
	}
	return i
}

// Interface guards
var (
	_ reverseproxy.Selector = (*Sticky)(nil)
	_ caddy.Provisioner     = (*Sticky)(nil)
	_ caddy.CleanerUpper    = (*Sticky)(nil)
)
