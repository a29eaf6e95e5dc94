package geo

import (
	"fmt"
	"strconv"
	"strings"
)

// A CountrySet is a set of countries.
type CountrySet map[Country]struct{}

// Contains reports whether the set has a country. The unknown country is in no
// set.
func (s CountrySet) Contains(c Country) bool {
	_, ok := s[c]
	return ok
}

// Countries makes a set of codes, in either case. The error names a code that
// is none.
func Countries(codes ...string) (CountrySet, error) {
	set := CountrySet{}
	for _, code := range codes {
		c, ok := ParseCountry(code)
		if !ok {
			return nil, fmt.Errorf("%q is not a country code of two letters (ISO 3166-1 alpha-2)", code)
		}
		set[c] = struct{}{}
	}
	return set, nil
}

// ParseCountry reads a code in either case.
func ParseCountry(code string) (Country, bool) {
	if len(code) != len(Country{}) {
		return Country{}, false
	}
	var c Country
	for i := range c {
		c[i] = code[i] &^ 0x20 // upper case
		if c[i] < 'A' || c[i] > 'Z' {
			return Country{}, false
		}
	}
	return c, true
}

// An ASNSet is a set of autonomous systems.
type ASNSet map[uint32]struct{}

// Contains reports whether the set has a number. Zero, the unknown, is in no set.
func (s ASNSet) Contains(asn uint32) bool {
	_, ok := s[asn]
	return ok
}

// ASNs makes a set of numbers written as `AS64500` or `64500`. The error names
// one that is none.
func ASNs(numbers ...string) (ASNSet, error) {
	set := ASNSet{}
	for _, text := range numbers {
		n, ok := ParseASN(text)
		if !ok {
			return nil, fmt.Errorf("%q is not the number of an autonomous system, like AS64500", text)
		}
		set[n] = struct{}{}
	}
	return set, nil
}

// ParseASN reads `AS64500` or `64500`; 0 is reserved (RFC 7607) and refused.
func ParseASN(text string) (uint32, bool) {
	if len(text) > 2 && strings.EqualFold(text[:2], "AS") {
		text = text[2:]
	}
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil && n > 0
}
