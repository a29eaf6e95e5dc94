package lbpolicy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// A subdirective is one option of a policy's block. What parse returns is
// reported with file, line and name.
type subdirective struct {
	parse    func(*caddyfile.Dispenser) error
	repeat   bool     // may be given more than once
	block    bool     // parse reads a block
	excludes []string // options that it does not go together with
}

// A vocabulary is the options of a block by name.
type vocabulary map[string]subdirective

// with returns both vocabularies in one.
func (v vocabulary) with(other vocabulary) vocabulary {
	all := make(vocabulary, len(v)+len(other))
	for _, from := range []vocabulary{v, other} {
		for name, s := range from {
			all[name] = s
		}
	}
	return all
}

// excluded returns an option that was seen and does not go together with name.
func (v vocabulary) excluded(name string, seen map[string]bool) string {
	for _, other := range slices.Sorted(maps.Keys(seen)) {
		if slices.Contains(v[name].excludes, other) || slices.Contains(v[other].excludes, name) {
			return other
		}
	}
	return ""
}

var errArguments = errors.New("wrong number of arguments")

// parsePolicy reads what stands after lb_policy: the name, the arguments, and
// the block of options. args reads the arguments; nil is a policy without any.
func parsePolicy(d *caddyfile.Dispenser, options vocabulary, args func(args []string) error) error {
	d.Next() // the name of the policy
	policy := d.Val()
	given := d.RemainingArgs()
	switch {
	case args != nil:
		if err := args(given); err != nil {
			return d.Errf("lb_policy %s: %v", policy, err)
		}
	case len(given) > 0:
		return d.Errf("lb_policy %s: unexpected argument '%s'", policy, given[0])
	}
	return parseBlock(d, "lb_policy "+policy, options)
}

// parseBlock reads a block of options; prefix says whose, in errors.
func parseBlock(d *caddyfile.Dispenser, prefix string, options vocabulary) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		option, ok := options[name]
		if !ok {
			return d.Errf("%s: unrecognized option '%s'", prefix, name)
		}
		if seen[name] && !option.repeat {
			return d.Errf("%s: %s: given more than once", prefix, name)
		}
		seen[name] = true
		if other := options.excluded(name, seen); other != "" {
			return d.Errf("%s: %s: does not go together with %s", prefix, name, other)
		}
		if err := option.parse(d); err != nil {
			if located(err) {
				return err
			}
			return d.WrapErr(fmt.Errorf("%s: %s: %w", prefix, name, err))
		}
		if d.NextArg() {
			return d.Errf("%s: %s: unexpected argument '%s'", prefix, name, d.Val())
		}
		if !option.block && d.NextBlock(d.Nesting()) {
			return d.Errf("%s: %s: takes no block", prefix, name)
		}
	}
	return nil
}

// located reports that an error already says where in the Caddyfile it is.
func located(err error) bool {
	_, place, ok := strings.Cut(err.Error(), ", at ")
	return ok && strings.Contains(place, ":")
}

// parseArg reads exactly one argument through convert.
func parseArg[T any](d *caddyfile.Dispenser, to *T, convert func(string) (T, error)) error {
	args := d.RemainingArgs()
	if len(args) != 1 {
		return errArguments
	}
	value, err := convert(args[0])
	if err != nil {
		return err
	}
	*to = value
	return nil
}

// oneOf accepts one of the given words.
func oneOf(words ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		for _, w := range words {
			if s == w {
				return s, nil
			}
		}
		return "", fmt.Errorf("'%s' is none of %s", s, strings.Join(words, ", "))
	}
}

// duration is positive.
func duration(s string) (caddy.Duration, error) {
	dur, err := caddy.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("'%s' is not a duration, such as 30s", s)
	}
	if dur <= 0 {
		return 0, fmt.Errorf("'%s' is not longer than zero", s)
	}
	return caddy.Duration(dur), nil
}

// integer returns a parser of whole numbers in a range.
func integer(least, most int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return 0, fmt.Errorf("'%s' is not a whole number from %d to %d", s, least, most)
		}
		return n, nil
	}
}

// percent returns a parser of percentages in a range: 20% or 20.
func percent(least, most float64) func(string) (float64, error) {
	return func(s string) (float64, error) {
		n, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
		if err != nil || !(n >= least && n <= most) {
			return 0, fmt.Errorf("'%s' is not a percentage from %v%% to %v%%", s, least, most)
		}
		return n, nil
	}
}

// times is a factor above 1.
func times(most float64) func(string) (float64, error) {
	return func(s string) (float64, error) {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || !(n > 1 && n <= most) {
			return 0, fmt.Errorf("'%s' is not a number above 1, up to %v", s, most)
		}
		return n, nil
	}
}

// offOr makes the word off mean a value.
func offOr[T any](convert func(string) (T, error), off T) func(string) (T, error) {
	return func(s string) (T, error) {
		if s == "off" {
			return off, nil
		}
		return convert(s)
	}
}

func nonempty(s string) (string, error) {
	if s == "" {
		return "", errors.New("is empty")
	}
	return s, nil
}

// checkDuration is what a duration from JSON has to pass: zero is the default.
func checkDuration(name string, d caddy.Duration) error {
	if d < 0 {
		return fmt.Errorf("%s: %s is negative", name, time.Duration(d))
	}
	return nil
}
