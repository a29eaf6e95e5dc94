package leak

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
)

// A Sealer turns entity-tags (RFC 9110 §8.8.3) into ones that tell nothing, and
// back. The tag is its own store: its text is encrypted, with a MAC of itself as
// the nonce (the construction of SIV, RFC 5297). So the same tag always becomes the
// same sealed one, on every machine that has the key, and nobody else can make
// one that opens. The length of a tag, rounded up, is all that shows.
type Sealer struct {
	mac   []byte
	block cipher.Block
}

// KeySize is the length of the key of a Sealer, in bytes.
const KeySize = 32

const (
	nonceSize = aes.BlockSize
	padTo     = 16
)

// NewSealer derives the two keys of a Sealer from one.
func NewSealer(key []byte) (*Sealer, error) {
	if len(key) != KeySize {
		return nil, errors.New("the key of validators must have 32 bytes")
	}
	block, err := aes.NewCipher(sum(key, "encrypt")[:16])
	if err != nil {
		return nil, err
	}
	return &Sealer{mac: sum(key, "authenticate"), block: block}, nil
}

// Seal hides the opaque part of tag; a weak one stays weak. What is no
// entity-tag is hidden as well, as if it had been quoted.
func (s *Sealer) Seal(tag string) string {
	weak, opaque := split(tag)
	plain := append([]byte(opaque), 0x80) // padding of ISO/IEC 7816-4
	for len(plain)%padTo != 0 {
		plain = append(plain, 0)
	}
	out := append(sum(s.mac, string(plain))[:nonceSize:nonceSize], plain...)
	cipher.NewCTR(s.block, out[:nonceSize]).XORKeyStream(out[nonceSize:], plain)
	return weak + `"` + base64.RawURLEncoding.EncodeToString(out) + `"`
}

// Open gives back what Seal was given, in the form of an entity-tag. A nil Sealer
// opens none.
func (s *Sealer) Open(tag string) (string, bool) {
	if s == nil {
		return "", false
	}
	weak, opaque := split(tag)
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(opaque)
	if err != nil || len(sealed) < nonceSize+padTo {
		return "", false
	}
	plain := make([]byte, len(sealed)-nonceSize)
	cipher.NewCTR(s.block, sealed[:nonceSize]).XORKeyStream(plain, sealed[nonceSize:])
	if !hmac.Equal(sum(s.mac, string(plain))[:nonceSize], sealed[:nonceSize]) {
		return "", false
	}
	end := strings.LastIndexByte(string(plain), 0x80)
	if end < 0 {
		return "", false
	}
	return weak + `"` + string(plain[:end]) + `"`, true
}

// unmatchable stands for a tag that the origin never gave: it matches nothing.
// It must stay in a list: RFC 9110 §13.1.1 makes an If-Match with no match fail.
const unmatchable = `"-"`

// OpenList opens the entity-tags in the value of If-Match, If-None-Match (§13.1)
// or If-Range. "*" and a date stay; a tag that is not sealed matches nothing, so
// that nobody can try which one the origin has.
func (s *Sealer) OpenList(list string) string {
	if t := strings.TrimSpace(list); t == "*" || t != "" && !strings.Contains(t, `"`) {
		return list
	}
	var opened []string
	for rest := list; ; {
		tag, after, ok := nextTag(rest)
		if !ok {
			break
		}
		rest = after
		plain, ok := s.Open(tag)
		if !ok {
			plain = unmatchable
		}
		opened = append(opened, plain)
	}
	if opened == nil {
		return unmatchable
	}
	return strings.Join(opened, ", ")
}

// nextTag cuts the first entity-tag off a list.
func nextTag(s string) (tag, rest string, ok bool) {
	start := strings.IndexByte(s, '"')
	if start < 0 {
		return "", "", false
	}
	end := strings.IndexByte(s[start+1:], '"')
	if end < 0 {
		return "", "", false
	}
	end += start + 2
	if start >= 2 && strings.EqualFold(s[start-2:start], "W/") {
		start -= 2
	}
	return s[start:end], s[end:], true
}

func split(tag string) (weak, opaque string) {
	tag = strings.TrimSpace(tag)
	if rest, ok := strings.CutPrefix(tag, "W/"); ok {
		weak, tag = "W/", rest
	}
	if len(tag) >= 2 && tag[0] == '"' && tag[len(tag)-1] == '"' {
		tag = tag[1 : len(tag)-1]
	}
	return weak, tag
}

func sum(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
