package filter

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/filter/address"
	"github.com/caddy-portico/portico/filter/geo"
)

// AddressOptions say which clients are meant, by address.
type AddressOptions struct {
	// Addresses (`192.0.2.1`), CIDR ranges (`192.0.2.0/24`), ranges
	// (`192.0.2.5-192.0.2.20`), lists of the `request_filter` app (`@name`), and
	// `private_ranges` for those of private networks.
	Ranges []string `json:"ranges,omitempty"`

	// Countries by ISO 3166-1 code, such as `DE`. They need a database in the
	// `request_filter` app. An address that it does not know is in none.
	Countries []string `json:"countries,omitempty"`

	// Networks by the number of their autonomous system, such as `64496`. They
	// need a database in the `request_filter` app.
	ASNs []string `json:"asns,omitempty"`

	// Everybody that nothing else decides about. For `deny` only.
	All bool `json:"all,omitempty"`

	countries geo.CountrySet
	asns      geo.ASNSet
}

func (o *AddressOptions) validate(allow bool) error {
	if o == nil {
		return nil
	}
	if allow && o.All {
		return errors.New("all can only be denied")
	}
	if len(o.Ranges)+len(o.Countries)+len(o.ASNs) == 0 && !o.All {
		return errors.New("names nobody")
	}
	_, literal := o.split()
	_, badRange := address.Of(literal...)
	_, badCountry := geo.Countries(o.Countries...)
	_, badASN := geo.ASNs(o.ASNs...)
	return errors.Join(badRange, badCountry, badASN)
}

// split tells lists from ranges.
func (o *AddressOptions) split() (lists, literal []string) {
	for _, word := range o.Ranges {
		switch name, isList := strings.CutPrefix(word, "@"); {
		case isList:
			lists = append(lists, name)
		case word == "private_ranges":
			literal = append(literal, caddyhttp.PrivateRangesCIDR()...)
		default:
			literal = append(literal, word)
		}
	}
	return lists, literal
}

// matchers are the sets and lists in force for ranges.
func (o *AddressOptions) matchers(app *App) ([]address.Matcher, error) {
	if o == nil {
		return nil, nil
	}
	lists, literal := o.split()
	var all []address.Matcher
	if len(literal) > 0 {
		set, err := address.Of(literal...)
		if err != nil {
			return nil, err
		}
		all = append(all, set)
	}
	for _, name := range lists {
		list, err := app.ipList(name)
		if err != nil {
			return nil, err
		}
		all = append(all, list)
	}
	return all, nil
}

// provisionPlaces parses countries and networks, and reports whether there are
// any.
func (o *AddressOptions) provisionPlaces() (any bool, err error) {
	if o == nil {
		return false, nil
	}
	var badASN error
	o.countries, err = geo.Countries(o.Countries...)
	o.asns, badASN = geo.ASNs(o.ASNs...)
	return len(o.Countries)+len(o.ASNs) > 0, errors.Join(err, badASN)
}

func (h *Handler) provisionAddresses() error {
	for _, side := range []struct {
		name string
		of   *AddressOptions
		to   *[]address.Matcher
	}{{"allow", h.Allow, &h.rules.Allow}, {"deny", h.Deny, &h.rules.Deny}} {
		var err error
		if *side.to, err = side.of.matchers(h.app); err != nil {
			return fmt.Errorf("%s: %w", side.name, err)
		}
		places, err := side.of.provisionPlaces()
		if err != nil {
			return fmt.Errorf("%s: %w", side.name, err)
		}
		if !places {
			continue
		}
		if h.places = h.app.places(); len(h.places) == 0 {
			return fmt.Errorf("%s: country and asn need a database, and the request_filter app has none", side.name)
		}
	}
	return nil
}

// addresses keeps out who is denied.
func (x *inspection) addresses() verdict {
	decision, by := x.decide()
	if decision != address.Denied {
		return verdict{}
	}
	return verdict{reason: reasonAddress, mode: x.h.modeOf(""), rule: by}
}

// allowed reports whether the client is one that `allow` speaks of.
func (x *inspection) allowed() bool {
	decision, _ := x.decide()
	return decision == address.Allowed
}

// decide looks for the client in allow and deny, once.
func (x *inspection) decide() (address.Decision, string) {
	s := &x.standing
	if !s.known {
		s.known = true
		s.decision, s.by = x.h.decide(x)
	}
	return s.decision, s.by
}

// decide goes from the particular to the general: an address, a country or
// network, everybody.
func (h *Handler) decide(x *inspection) (address.Decision, string) {
	if d := h.rules.Decide(x.client); d != address.Unlisted {
		return d, "range"
	}
	if len(h.places) > 0 {
		place := h.places.Lookup(x.client)
		if by := h.Allow.covers(place); by != "" {
			return address.Allowed, by
		}
		if by := h.Deny.covers(place); by != "" {
			return address.Denied, by
		}
	}
	if h.Deny != nil && h.Deny.All {
		return address.Denied, "all"
	}
	return address.Unlisted, ""
}

// covers says by what a place is meant; "" if it is not.
func (o *AddressOptions) covers(place geo.Place) string {
	switch {
	case o == nil:
	case o.countries.Contains(place.Country):
		return "country " + place.Country.String()
	case o.asns.Contains(place.ASN):
		return fmt.Sprint("asn ", place.ASN)
	}
	return ""
}
