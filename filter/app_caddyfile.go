package filter

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/dustin/go-humanize"

	"github.com/caddy-portico/portico/filter/redis"
)

// appOptions are the subdirectives of the global option request_filter.
var appOptions = map[string]func(*App, optionLine) error{
	"ip_list":     (*App).parseList,
	"geoip":       func(a *App, l optionLine) error { return l.words(&a.GeoIP) },
	"redis":       (*App).parseRedis,
	"bans":        (*App).parseBans,
	"tarpits":     (*App).parseTarpits,
	"rate_memory": (*App).parseRateMemory,
}

// repeatableAppOptions may stand more than once; each adds to the others.
var repeatableAppOptions = map[string]bool{"ip_list": true, "geoip": true}

// ParseGlobalOption sets up the app of the request_filter global option.
func ParseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next()
		return nil, d.Err("request_filter: the global option is given more than once")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "request_filter", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile sets up the app from tokens:
//
//	request_filter {
//		ip_list <name> file <path> | url <url> [every <duration>] | <ranges...>
//		ip_list <name> {
//			file <path>
//			url <url> [every <duration>]
//			<ranges...>
//		}
//		geoip <path...>
//		redis <url>
//		bans {
//			save on|off|<path>
//			max <n>
//		}
//		tarpits <n>|off
//		rate_memory <size>
//	}
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // request_filter
	return parseOptions(d, a, appOptions, repeatableAppOptions)
}

func (a *App) parseList(l optionLine) error {
	if !l.NextArg() {
		return errArgumentCount
	}
	name, o := l.Val(), new(IPList)
	if a.IPLists[name] != nil {
		return fmt.Errorf("%s: %w", name, errTwice)
	}
	inLine := l.NextArg()
	if inLine {
		if err := o.parseSource(l); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for nesting := l.Nesting(); l.NextBlock(nesting); {
		if inLine {
			return fmt.Errorf("%s: has a source in its line already: takes no block", name)
		}
		if err := o.parseSource(l); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := o.validate(name); err != nil { // at the line that it is in
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := o.validate(name); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if a.IPLists == nil {
		a.IPLists = make(map[string]*IPList)
	}
	a.IPLists[name] = o
	return nil
}

// parseSource parses file <path>, url <url> [every <duration>] or ranges; a word
// that is a URL is taken for one.
func (o *IPList) parseSource(l optionLine) error {
	switch word := l.Val(); {
	case word == "file":
		var path string
		if !l.Args(&path) {
			return fmt.Errorf("file: %w", errArgumentCount)
		}
		o.Files = append(o.Files, path)
	case word == "url":
		if !l.NextArg() {
			return fmt.Errorf("url: %w", errArgumentCount)
		}
		return o.parseURL(l)
	case strings.Contains(word, "://"):
		return o.parseURL(l)
	default:
		o.Ranges = append(append(o.Ranges, word), l.RemainingArgs()...)
		return nil
	}
	if l.NextArg() {
		return fmt.Errorf("unexpected argument '%s'", l.Val())
	}
	return nil
}

func (o *IPList) parseURL(l optionLine) error {
	u := ListURL{URL: l.Val()}
	if l.NextArg() {
		if l.Val() != "every" {
			return fmt.Errorf("url: unexpected argument '%s': expected every <duration>", l.Val())
		}
		if err := l.duration(&u.Every); err != nil {
			return fmt.Errorf("url: every: %w", err)
		}
	}
	if l.NextArg() {
		return fmt.Errorf("url: unexpected argument '%s'", l.Val())
	}
	o.URLs = append(o.URLs, u)
	return nil
}

func (a *App) parseRedis(l optionLine) error {
	if !l.Args(&a.Redis) {
		return errArgumentCount
	}
	if strings.Contains(a.Redis, "{") { // a placeholder: see provisionRedis
		return nil
	}
	_, err := redis.Parse(a.Redis)
	return err
}

func (a *App) parseBans(l optionLine) error {
	a.Bans = new(BanStore)
	if l.NextArg() {
		return fmt.Errorf("unexpected argument '%s'", l.Val())
	}
	return l.block(map[string]func(optionLine) error{
		"save": func(l optionLine) error {
			if !l.Args(&a.Bans.Save) {
				return errArgumentCount
			}
			return nil
		},
		"max": func(l optionLine) error {
			if err := l.count(&a.Bans.Max); err != nil {
				return err
			}
			if a.Bans.Max > maxBans {
				return fmt.Errorf("%d is more than %d", a.Bans.Max, maxBans)
			}
			return nil
		},
	})
}

func (a *App) parseTarpits(l optionLine) error {
	a.Tarpits = new(int)
	if !l.NextArg() {
		return errArgumentCount
	}
	if l.Val() == wordOff {
		return nil
	}
	l.Prev()
	return l.count(a.Tarpits)
}

func (a *App) parseRateMemory(l optionLine) error {
	var word string
	if !l.Args(&word) {
		return errArgumentCount
	}
	n, err := humanize.ParseBytes(word)
	switch {
	case err != nil || n > math.MaxInt64:
		return fmt.Errorf("bad size '%s'", word)
	case n < minRateMemory:
		return errors.New("is at least " + humanize.IBytes(minRateMemory))
	}
	a.RateMemory = int64(n)
	return nil
}

// Interface guards
var _ caddyfile.Unmarshaler = (*App)(nil)
