// Package etags hides what an origin puts into its entity tags (inode numbers,
// times, versions) and still lets them validate: a tag is sealed, and the sealed
// one opened when a client brings it back. Nothing is kept of either.
//
// The same tag is always sealed to the same one, or caches would not know it
// again; so the nonce is a MAC of the tag, as in SIV (RFC 5297, here with
// HMAC-SHA-256 and AES-CTR). Whoever has the key can open what another sealed. Weak
// tags stay weak (RFC 9110 §8.8.3).
package etags

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// A Sealer seals and opens tags with one key.
type Sealer struct {
	mac   []byte
	block cipher.Block
}

const nonceSize = aes.BlockSize

// New returns a Sealer; the key may be of any length.
func New(key []byte) *Sealer {
	block, err := aes.NewCipher(derive(key, "encryption"))
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	return &Sealer{mac: derive(key, "nonce"), block: block}
}

func derive(key []byte, use string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("portico etag " + use))
	return h.Sum(nil)
}

// Seal returns the tag to show for one of the origin's, as in ETag. What is no
// tag is sealed as a whole, to a strong one: it must not be shown either.
func (s *Sealer) Seal(field string) string {
	weak, tag, ok := parse(field)
	if !ok {
		weak, tag = "", field
	}
	sealed := make([]byte, nonceSize+len(tag))
	nonce := s.nonce(tag)
	copy(sealed, nonce)
	cipher.NewCTR(s.block, nonce).XORKeyStream(sealed[nonceSize:], []byte(tag))
	return weak + `"` + base64.RawURLEncoding.EncodeToString(sealed) + `"`
}

func (s *Sealer) nonce(tag string) []byte {
	h := hmac.New(sha256.New, s.mac)
	h.Write([]byte(tag))
	return h.Sum(nil)[:nonceSize]
}

// Open returns the origin's tag of a shown one; ok is false for any other.
func (s *Sealer) Open(field string) (tag string, ok bool) {
	weak, shown, ok := parse(field)
	if !ok {
		return "", false
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(shown)
	if err != nil || len(sealed) < nonceSize {
		return "", false
	}
	opened := make([]byte, len(sealed)-nonceSize)
	cipher.NewCTR(s.block, sealed[:nonceSize]).XORKeyStream(opened, sealed[nonceSize:])
	if !hmac.Equal(s.nonce(string(opened)), sealed[:nonceSize]) {
		return "", false
	}
	return weak + `"` + string(opened) + `"`, true
}

// OpenList opens every tag of an If-Match or If-None-Match field (RFC 9110 §13.1).
// Tags that were not sealed here stay: the origin has none that is like them.
func (s *Sealer) OpenList(field string) string {
	var b strings.Builder
	for rest := field; rest != ""; {
		at := strings.IndexByte(rest, '"')
		if at < 0 {
			b.WriteString(rest)
			break
		}
		end := strings.IndexByte(rest[at+1:], '"')
		if end < 0 {
			b.WriteString(rest)
			break
		}
		end += at + 2
		b.WriteString(rest[:at])
		if tag, ok := s.Open(rest[at:end]); ok {
			b.WriteString(tag)
		} else {
			b.WriteString(rest[at:end])
		}
		rest = rest[end:]
	}
	return b.String()
}

// Weaken makes a tag weak, for content that was changed on its way (RFC 9110
// §8.8.1).
func Weaken(field string) string {
	if weak, _, ok := parse(field); !ok || weak != "" {
		return field
	}
	return "W/" + strings.TrimSpace(field)
}

// Strengthen undoes Weaken in a list of tags.
func Strengthen(field string) string { return strings.ReplaceAll(field, `W/"`, `"`) }

// parse takes an entity tag apart: `W/` or "", and what is between its quotes.
func parse(field string) (weak, tag string, ok bool) {
	field = strings.TrimSpace(field)
	if rest, is := strings.CutPrefix(field, "W/"); is {
		weak, field = "W/", rest
	}
	if len(field) < 2 || field[0] != '"' || field[len(field)-1] != '"' {
		return "", "", false
	}
	tag = field[1 : len(field)-1]
	return weak, tag, !strings.Contains(tag, `"`)
}
