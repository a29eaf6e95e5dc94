package filter

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/filter/replace"
	"github.com/caddy-portico/portico/filter/rewrite"
)

// hideOptions are the subdirectives of hide_origin; those that may stand more than
// once add to what is there.
var hideOptions = map[string]struct {
	parse func(*HideOrigin, optionLine) error
	again bool
}{
	"headers": {(*HideOrigin).parseHeaders, true},
	"rewrite": {(*HideOrigin).parseRewrite, true},
	"cookies": {(*HideOrigin).parseCookies, true},
	"errors":  {(*HideOrigin).parseErrors, false},
	"etag":    {func(h *HideOrigin, l optionLine) error { return l.word(&h.ETag, etagKeep, etagHash, etagDrop) }, false},
	"body":    {(*HideOrigin).parseBody, true},
}

// ParseHideOrigin sets up the handler of a hide_origin directive.
func ParseHideOrigin(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h := new(HideOrigin)
	return h, h.UnmarshalCaddyfile(helper.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from tokens:
//
//	hide_origin [<matcher>] {
//		headers [-]<name or glob...> | allow_only <name or glob...>
//		rewrite <upstream host or URL> [<path or URL>]
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
	d.Next() // hide_origin
	if d.NextArg() {
		return d.ArgErr()
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		l := optionLine{d}
		name := l.Val()
		option, ok := hideOptions[name]
		switch {
		case !ok:
			return l.Errf("hide_origin: unrecognized subdirective '%s'", name)
		case seen[name] && !option.again:
			return l.Errf("hide_origin: %s: %v", name, errTwice)
		}
		seen[name] = true
		if err := option.parse(h, l); err != nil {
			return l.located("hide_origin: "+name, err)
		}
		if l.NextArg() {
			return l.Errf("hide_origin: %s: unexpected argument '%s'", name, l.Val())
		}
		if l.NextBlock(l.Nesting()) {
			return l.Errf("hide_origin: %s: takes no block", name)
		}
	}
	return nil
}

func (h *HideOrigin) parseHeaders(l optionLine) error {
	names := l.RemainingArgs()
	if len(names) == 0 || len(names) == 1 && names[0] == "allow_only" {
		return errArgumentCount
	}
	if h.Headers == nil {
		h.Headers = new(HeaderOptions)
	}
	o := h.Headers
	if names[0] == "allow_only" {
		o.AllowOnly = append(o.AllowOnly, names[1:]...)
		_, err := o.names()
		return err
	}
	for _, name := range names {
		if kept, ok := strings.CutPrefix(name, "-"); ok {
			o.Keep = append(o.Keep, kept)
		} else {
			o.Remove = append(o.Remove, name)
		}
	}
	_, err := o.names()
	return err
}

func (h *HideOrigin) parseRewrite(l optionLine) error {
	args := l.RemainingArgs()
	if len(args) == 0 || len(args) > 2 {
		return errArgumentCount
	}
	o := RewriteOptions{From: args[0]}
	if len(args) == 2 {
		o.To = args[1]
	}
	h.Rewrite = append(h.Rewrite, o)
	return new(rewrite.Table).AddRule(o.From, o.To)
}

func (h *HideOrigin) parseErrors(l optionLine) error {
	if err := l.words(&h.Errors); err != nil {
		return err
	}
	return validateErrors(h.Errors)
}

func (h *HideOrigin) parseBody(l optionLine) error {
	args := l.RemainingArgs()
	if len(args) != 2 {
		return errArgumentCount
	}
	h.Body = append(h.Body, BodyOptions{Find: args[0], Replace: args[1]})
	if _, err := replace.New(args[0], args[1]); err != nil {
		return fmt.Errorf("'%s': %w", args[0], err)
	}
	return nil
}

func (h *HideOrigin) parseCookies(l optionLine) error {
	if h.Cookies == nil {
		h.Cookies = new(CookieOptions)
	}
	o := h.Cookies
	some := false
	for nesting := l.Nesting(); l.NextBlock(nesting); some = true {
		name := l.Val()
		if err := o.parse(name, l); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if l.NextArg() {
			return fmt.Errorf("%s: unexpected argument '%s'", name, l.Val())
		}
	}
	if !some {
		return errors.New("no option given")
	}
	return o.validate()
}

func (o *CookieOptions) parse(name string, l optionLine) error {
	switch name {
	case "rename":
		return parsePair(l, &o.Rename)
	case "path":
		return parsePair(l, &o.Path)
	case "secure":
		o.Secure = true
	case "http_only":
		o.HTTPOnly = true
	case "same_site":
		return l.word(&o.SameSite, "lax", "strict", "none")
	default:
		return errors.New("unrecognized option: expected rename, path, secure, http_only, same_site")
	}
	return nil
}

func parsePair(l optionLine, to *[]NamePair) error {
	var pair NamePair
	if !l.Args(&pair.From, &pair.To) {
		return errArgumentCount
	}
	*to = append(*to, pair)
	return nil
}

// Interface guards
var _ caddyfile.Unmarshaler = (*HideOrigin)(nil)
