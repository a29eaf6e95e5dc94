package filter

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddy-portico/portico/filter/leak"
	"github.com/caddy-portico/portico/filter/rewrite"
)

func init() {
	caddy.RegisterModule(new(HideOrigin))
}

// HideOrigin takes out of an answer whatever tells what runs behind the site. It
// acts on every header that an answer can have: informational (103), switching
// (101), final, trailers, and on the answers of Caddy itself when an upstream is
// down.
//
//   - Fields that name software, caches, balancers, clouds, requests or timings go
//     by a built-in list; Caddy's own Server and Via, too.
//   - Location, Link, Set-Cookie and other fields that name an upstream, or a
//     private address, name the site instead.
//   - Error pages of the origin give way to yours (handle_errors) or to none.
//   - TRACE, TRACK and DEBUG, which show a request as the origin gets it, are
//     answered 405.
//
// It belongs just before reverse_proxy, behind response_cache: what is stored is
// then clean. It does not hide what a body says unless `body` says how.
type HideOrigin struct {
	// Names or globs (`X-Own-*`) of more response headers to remove. One that starts
	// with `-` is kept although the built-in list has it. If the first is
	// `allow_only`, the others are all that may pass, beside the fields without
	// which HTTP does not work. Default: the built-in list.
	Headers []string `json:"headers,omitempty"`

	// What stands for which place behind, in all fields that name one. The static
	// upstreams of the site, the one that answered, and private addresses
	// need no rule: the host that the client asked stands for them.
	Rewrite []HideRewrite `json:"rewrite,omitempty"`

	// What becomes of cookies.
	Cookies *HideCookies `json:"cookies,omitempty"`

	// Statuses whose pages are replaced, the status kept: `4xx`, `5xx` or single ones
	// from 400 to 599; `off` alone replaces none. gRPC is never replaced. Default: `5xx`.
	Errors []string `json:"errors,omitempty"`

	// What becomes of entity-tags: `keep`, `hash` (replaced by sealed ones that still
	// revalidate; the key is in Caddy's storage) or `drop`. Default: `keep`.
	ETag string `json:"etag,omitempty"`

	// Replacements in bodies of text, in this order. With any, the origin is asked
	// for whole, unencoded bodies.
	Body []HideBody `json:"body,omitempty"`

	names    *leak.Names
	rules    []rewrite.Rule
	cookies  rewrite.Cookies
	patterns []*rewrite.Pattern
	key      validatorKey

	findUpstreams sync.Once
	upstreams     []rewrite.Place
}

// HideRewrite leads what is below one place to below another.
type HideRewrite struct {
	// A host, with or without a port, or a URL, with or without a path.
	Upstream string `json:"upstream"`
	// A path, a host or a URL that stands for it. Default: the host that the client asked.
	Public string `json:"public,omitempty"`
}

// HideCookies says what becomes of cookies.
type HideCookies struct {
	// Names, at the origin (`from`) and for clients (`to`), rewritten both ways. A
	// client's cookie that has the origin's name does not reach the origin.
	Rename []HidePair `json:"rename,omitempty"`
	// Beginnings of the Path attribute, at the origin (`from`) and for clients (`to`).
	Path []HidePair `json:"path,omitempty"`
	// Adds the attribute Secure. Default: `false`.
	Secure bool `json:"secure,omitempty"`
	// Adds the attribute HttpOnly. Default: `false`.
	HTTPOnly bool `json:"http_only,omitempty"`
	// Sets the attribute SameSite: `lax`, `strict` or `none`. Default: as the origin says.
	SameSite string `json:"same_site,omitempty"`
}

// HidePair is what something is called at the origin, and for clients.
type HidePair struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// HideBody is a replacement in bodies.
type HideBody struct {
	// A regular expression (RE2) that does not match the empty text. A match of more
	// than 8 KiB is not replaced as a whole.
	Pattern string `json:"pattern"`
	// What replaces a match; `$1` is its first group. Placeholders are known.
	Replacement string `json:"replacement"`
}

// CaddyModule returns the Caddy module information.
func (*HideOrigin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.hide_origin",
		New: func() caddy.Module { return new(HideOrigin) },
	}
}

// Provision compiles the options. The key of `etag hash` is read when it is
// first needed, so that `caddy validate` writes nothing.
func (h *HideOrigin) Provision(ctx caddy.Context) error {
	if err := h.compile(); err != nil {
		return fmt.Errorf("hide_origin: %w", err)
	}
	h.key.logger = ctx.Logger()
	if h.ETag == etagHash {
		h.key.storage = ctx.Storage()
	}
	return nil
}

func (h *HideOrigin) compile() (err error) {
	if h.names, err = leak.New(h.Headers...); err != nil {
		return fmt.Errorf("headers: %w", err)
	}
	if err := checkErrors(h.Errors); err != nil {
		return err
	}
	if h.rules, err = compileRules(h.Rewrite); err != nil {
		return err
	}
	if h.cookies, err = h.Cookies.compile(); err != nil {
		return err
	}
	if h.ETag != "" && h.ETag != etagKeep && h.ETag != etagHash && h.ETag != etagDrop {
		return fmt.Errorf("etag: %q is neither keep, hash nor drop", h.ETag)
	}
	h.patterns = nil
	for _, b := range h.Body {
		p, err := rewrite.NewPattern(b.Pattern)
		if err != nil {
			return fmt.Errorf("body: %q: %w", b.Pattern, err)
		}
		h.patterns = append(h.patterns, p)
	}
	return nil
}

func compileRules(rewrites []HideRewrite) ([]rewrite.Rule, error) {
	var rules []rewrite.Rule
	for _, rw := range rewrites {
		from, ok := rewrite.ParseTarget(rw.Upstream)
		if !ok || from.Host == "" {
			return nil, fmt.Errorf("rewrite: %q is neither a host nor a URL", rw.Upstream)
		}
		var to rewrite.Target
		if rw.Public != "" {
			if to, ok = rewrite.ParseTarget(rw.Public); !ok {
				return nil, fmt.Errorf("rewrite: %q is neither a path, a host nor a URL", rw.Public)
			}
		}
		rules = append(rules, rewrite.Rule{From: from, To: to})
	}
	return rules, nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *HideOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if reveals(r.Method) {
		return h.refuseMethod(w, r)
	}
	hw := &hidingWriter{h: h, r: r}
	hw.ResponseWriter = w
	hw.remember()
	err := hw.serve(h.request(r), next)
	switch {
	case hw.refused != 0:
		return hw.refuse()
	case err != nil:
		hw.cleanError()
		return err
	default:
		return hw.finish()
	}
}

// reveals reports whether a method asks for the request as the origin sees it
// (RFC 9110 §9.3.8), or is one of IIS that does.
func reveals(method string) bool {
	return method == http.MethodTrace || method == "TRACK" || method == "DEBUG"
}

func (h *HideOrigin) refuseMethod(w http.ResponseWriter, r *http.Request) error {
	h.names.Clean(w.Header(), nil)
	w.Header().Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS") // §15.5.6
	return caddyhttp.Error(http.StatusMethodNotAllowed, fmt.Errorf("the method %s shows what the origin gets", r.Method))
}

// compile checks the rules for cookies. Names are tokens (RFC 6265 §4.1.1).
func (c *HideCookies) compile() (rewrite.Cookies, error) {
	if c == nil {
		return rewrite.Cookies{}, nil
	}
	out := rewrite.Cookies{Secure: c.Secure, HTTPOnly: c.HTTPOnly}
	seen := map[string]bool{}
	for _, p := range c.Rename {
		for _, name := range []string{p.From, p.To} {
			if !token(name) {
				return out, fmt.Errorf("cookies: rename: %q is no name of a cookie", name)
			}
			if seen[name] {
				return out, fmt.Errorf("cookies: rename: %q is named twice", name)
			}
			seen[name] = true
		}
		out.Rename = append(out.Rename, rewrite.Pair(p))
	}
	for _, p := range c.Path {
		for _, path := range []string{p.From, p.To} {
			if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "; ") {
				return out, fmt.Errorf("cookies: path: %q is no path", path)
			}
		}
		out.Path = append(out.Path, rewrite.Pair(p))
	}
	sameSite, ok := map[string]string{"": "", "lax": "Lax", "strict": "Strict", "none": "None"}[strings.ToLower(c.SameSite)]
	if !ok {
		return out, fmt.Errorf("cookies: same_site: %q is neither lax, strict nor none", c.SameSite)
	}
	out.SameSite = sameSite
	return out, nil
}

func token(s string) bool {
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) {
			return false
		}
	}
	return s != ""
}

// validatorKey is the key of `etag hash`, and what reads it.
type validatorKey struct {
	storage certmagic.Storage
	logger  *zap.Logger

	mu struct {
		sync.Mutex
		sealer *leak.Sealer
		tried  int64 // Unix seconds of the last failure
	}
}

// Interface guards
var (
	_ caddy.Provisioner           = (*HideOrigin)(nil)
	_ caddyhttp.MiddlewareHandler = (*HideOrigin)(nil)
)
