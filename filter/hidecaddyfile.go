package filter

import (
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// ParseHideOrigin sets up the handler from Caddyfile tokens.
func ParseHideOrigin(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	hide := new(HideOrigin)
	return hide, hide.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	hide_origin [<matcher>] {
//		headers [-]<name or glob...>
//		headers allow_only <name or glob...>
//		rewrite <upstream host or URL> [<public path, host or URL>]
//		cookies {
//			rename <from> <to>
//			path <from> <to>
//			secure
//			http_only
//			same_site lax|strict|none
//		}
//		errors 5xx|4xx|<status>... | off
//		etag keep|hash|drop
//		body <regexp> <replacement>
//	}
func (h *HideOrigin) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.Errf("hide_origin: unexpected argument '%s'", d.Val())
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		option, ok := hideOptions[name]
		if !ok {
			return d.Errf("hide_origin: unrecognized subdirective '%s'", name)
		}
		if name == "cookies" {
			if err := h.unmarshalCookies(d); err != nil {
				return err
			}
			continue
		}
		args := d.RemainingArgs()
		if len(args) < option.least || option.most > 0 && len(args) > option.most {
			return d.Errf("hide_origin: %s: wrong number of arguments", name)
		}
		if err := option.set(h, args); err != nil {
			return d.Errf("hide_origin: %v", err)
		}
		if err := h.compile(); err != nil {
			return d.Errf("hide_origin: %v", err)
		}
	}
	return nil
}

// A hideOption is one line of the block.
type hideOption struct {
	least, most int // arguments; most 0 is any number
	set         func(h *HideOrigin, args []string) error
}

var hideOptions = map[string]hideOption{
	"headers": {1, 0, func(h *HideOrigin, args []string) error {
		h.Headers = append(h.Headers, args...)
		return nil
	}},
	"rewrite": {1, 2, func(h *HideOrigin, args []string) error {
		h.Rewrite = append(h.Rewrite, HideRewrite{Upstream: args[0], Public: append(args, "")[1]})
		return nil
	}},
	"errors": {1, 0, func(h *HideOrigin, args []string) error {
		h.Errors = append(h.Errors, args...)
		return nil
	}},
	"etag": {1, 1, func(h *HideOrigin, args []string) error {
		if h.ETag != "" {
			return fmt.Errorf("etag: given twice")
		}
		h.ETag = args[0]
		return nil
	}},
	"body": {2, 2, func(h *HideOrigin, args []string) error {
		h.Body = append(h.Body, HideBody{Pattern: args[0], Replacement: args[1]})
		return nil
	}},
	"cookies": {},
}

func (h *HideOrigin) unmarshalCookies(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Errf("hide_origin: cookies: unexpected argument '%s'", d.Val())
	}
	if h.Cookies == nil {
		h.Cookies = new(HideCookies)
	}
	empty := true
	for nesting := d.Nesting(); d.NextBlock(nesting); empty = false {
		name, args := d.Val(), d.RemainingArgs()
		want, ok := map[string]int{"rename": 2, "path": 2, "secure": 0, "http_only": 0, "same_site": 1}[name]
		if !ok {
			return d.Errf("hide_origin: cookies: unrecognized subdirective '%s'", name)
		}
		if len(args) != want {
			return d.Errf("hide_origin: cookies: %s: wrong number of arguments", name)
		}
		h.Cookies.set(name, args)
		if _, err := h.Cookies.compile(); err != nil {
			return d.Errf("hide_origin: %v", err)
		}
	}
	if empty {
		return d.Errf("hide_origin: cookies: says nothing")
	}
	return nil
}

func (c *HideCookies) set(name string, args []string) {
	switch name {
	case "rename":
		c.Rename = append(c.Rename, HidePair{args[0], args[1]})
	case "path":
		c.Path = append(c.Path, HidePair{args[0], args[1]})
	case "secure":
		c.Secure = true
	case "http_only":
		c.HTTPOnly = true
	case "same_site":
		c.SameSite = args[0]
	}
}

var _ caddyfile.Unmarshaler = (*HideOrigin)(nil)
