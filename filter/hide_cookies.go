package filter

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-portico/portico/filter/rewrite"
)

// CookieOptions are what is changed about cookies. Domains and paths of places
// behind the site are led to it without them.
type CookieOptions struct {
	// Names of the origin's cookies, and the names that clients see instead. A
	// cookie that a client sends under the origin's name does not reach it.
	Rename []NamePair `json:"rename,omitempty"`

	// Paths of the origin's cookies, and the paths that clients see instead.
	Path []NamePair `json:"path,omitempty"`

	// Whether every cookie gets Secure. Default: false, as the origin says.
	Secure bool `json:"secure,omitempty"`

	// Whether every cookie gets HttpOnly. Default: false, as the origin says.
	HTTPOnly bool `json:"http_only,omitempty"`

	// What every cookie gets as SameSite: `lax`, `strict` or `none`. Default: as
	// the origin says.
	SameSite string `json:"same_site,omitempty"`
}

// NamePair is what something is called behind the site, and before it.
type NamePair struct {
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

func (o *CookieOptions) validate() error {
	if o == nil {
		return nil
	}
	seen := make(map[string]bool)
	for _, pair := range o.Rename {
		for _, name := range []string{pair.From, pair.To} {
			if !isCookieName(name) {
				return fmt.Errorf("rename: '%s' is no name of a cookie", name)
			}
			if seen[name] {
				return fmt.Errorf("rename: '%s' is named twice", name)
			}
			seen[name] = true
		}
	}
	for _, pair := range o.Path {
		for _, path := range []string{pair.From, pair.To} {
			if path == "" || path[0] != '/' || strings.ContainsAny(path, ";, \t") {
				return fmt.Errorf("path: '%s' is no path", path)
			}
		}
	}
	if o.SameSite == "none" && !o.Secure {
		return errors.New("same_site: browsers refuse none without secure")
	}
	return named("same_site", expectWord(o.SameSite, "", "lax", "strict", "none"))
}

// isCookieName reports a token (RFC 6265 §4.1.1).
func isCookieName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	})
}

// cookieJar has the options, to be looked up. The one that is nil changes nothing.
type cookieJar struct {
	options *CookieOptions
	public  map[string]string // by the origin's name
	inner   map[string]string // by the public name
}

func (o *CookieOptions) jar() *cookieJar {
	if o == nil {
		return nil
	}
	j := &cookieJar{options: o, public: make(map[string]string), inner: make(map[string]string)}
	for _, pair := range o.Rename {
		j.public[pair.From], j.inner[pair.To] = pair.To, pair.From
	}
	return j
}

// restore gives the cookies of a request their inner names.
func (j *cookieJar) restore(header http.Header) {
	if j == nil || len(j.inner) == 0 || len(header["Cookie"]) == 0 {
		return
	}
	var lines []string
	for _, line := range header["Cookie"] {
		var pairs []string
		for pair := range strings.SplitSeq(line, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			name = strings.TrimSpace(name)
			if _, taken := j.public[name]; taken {
				continue // not one that the client can have from us
			}
			if inner, ok := j.inner[name]; ok {
				pair = inner + "=" + value
			}
			pairs = append(pairs, strings.TrimSpace(pair))
		}
		if len(pairs) > 0 {
			lines = append(lines, strings.Join(pairs, "; "))
		}
	}
	header["Cookie"] = lines
	if len(lines) == 0 {
		delete(header, "Cookie")
	}
}

// show is a Set-Cookie field as clients may have it.
func (j *cookieJar) show(m rewrite.Map, field string) string {
	c := rewrite.ParseCookie(field)
	changed := m.Lead(&c)
	if j != nil {
		changed = j.change(&c) || changed
	}
	if !changed {
		return field
	}
	return c.String()
}

func (j *cookieJar) change(c *rewrite.Cookie) (changed bool) {
	if public, ok := j.public[c.Name]; ok {
		c.Name, changed = public, true
	}
	if path, ok := c.Get("path"); ok {
		at := slices.IndexFunc(j.options.Path, func(p NamePair) bool { return isBelow(path, p.From) })
		if at >= 0 {
			p := j.options.Path[at]
			led := strings.TrimSuffix(p.To, "/") + strings.TrimPrefix(path, strings.TrimSuffix(p.From, "/"))
			c.Set("Path", orDefault(led, "/"))
			changed = true
		}
	}
	for _, flag := range []struct {
		name, value string
		wanted      bool
	}{
		{"Secure", "", j.options.Secure},
		{"HttpOnly", "", j.options.HTTPOnly},
		{"SameSite", sameSites[j.options.SameSite], j.options.SameSite != ""},
	} {
		if flag.wanted {
			c.Set(flag.name, flag.value)
			changed = true
		}
	}
	return changed
}

var sameSites = map[string]string{"lax": "Lax", "strict": "Strict", "none": "None"}

// isBelow reports a path that is another, or lies below it (RFC 6265 §5.1.4).
func isBelow(path, above string) bool {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(above, "/"))
	return ok && (rest == "" || rest[0] == '/')
}
