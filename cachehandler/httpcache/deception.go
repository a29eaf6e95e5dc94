package httpcache

import (
	"net/url"
	"strings"
)

// Web cache deception: a client is led to /account/x.css, the application
// ignores the last segment and answers with the account page, and a cache that
// believes the extension keeps it for everybody. This cache does not look at
// extensions to store; it looks at them to refuse.

// contentClass is a coarse kind of content.
type contentClass uint8

const (
	classOther contentClass = iota
	classHTML
	classJSON
	classText // txt, xml, maps and the like: neither page nor picture
	classAsset
)

// MismatchesType reports a response that is certainly not what the extension of
// the path says: a page or JSON where a style sheet, script, picture, font,
// recording, archive or document was asked for, or a page where text or data was.
func MismatchesType(path, contentType string) bool {
	content := classOfType(contentType)
	if content != classHTML && content != classJSON {
		return false
	}
	switch classOfExtension(extension(path)) {
	case classAsset:
		return true
	case classText, classJSON:
		return content == classHTML
	}
	return false
}

// isAmbiguous reports a path that a matcher of the configuration and the
// application may read as different ones ("Gotta cache 'em all", M. Doyhenard,
// 2024): with segments that go up, with separators that are encoded, and with what
// some applications take for the end of a path. "/account;/..%2fstatic/a" is
// /static/a to one and /account to another.
func isAmbiguous(path string) bool {
	if strings.ContainsAny(path, ";\\#") || strings.Contains(path, "//") {
		return true
	}
	decoded := decode(path)
	if decoded != decode(decoded) || strings.Count(decoded, "/") != strings.Count(path, "/") {
		return true
	}
	for segment := range strings.SplitSeq(decoded, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return strings.ContainsAny(decoded, ";\\?#") || strings.ContainsFunc(decoded, func(c rune) bool { return c < ' ' || c == 0x7f })
}

func decode(path string) string {
	if decoded, err := url.PathUnescape(path); err == nil {
		return decoded
	}
	return path
}

// extension is what follows the last dot of the last segment. Applications and
// proxies differ on encoded characters and on what ends a path, so it is taken
// after decoding and in any case to the end.
func extension(path string) string {
	path = decode(decode(path))
	path = strings.TrimRight(path, "/")
	path = path[strings.LastIndexByte(path, '/')+1:]
	dot := strings.LastIndexByte(path, '.')
	if dot < 0 {
		return ""
	}
	return strings.ToLower(path[dot+1:])
}

func classOfExtension(extension string) contentClass {
	switch extension {
	case "css", "js", "mjs", "wasm",
		"png", "jpg", "jpeg", "gif", "svg", "svgz", "ico", "webp", "avif", "bmp", "tif", "tiff", "jxl", "heic",
		"woff", "woff2", "ttf", "eot", "otf",
		"mp4", "m4v", "webm", "mp3", "m4a", "ogg", "oga", "ogv", "opus", "wav", "flac", "aac", "mov", "avi", "mkv", "ts", "m3u8",
		"zip", "gz", "tgz", "bz2", "xz", "7z", "rar", "tar", "zst", "br", "jar", "apk", "exe", "dmg", "iso", "bin", "msi", "deb", "rpm",
		"pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "odp", "rtf", "ps", "eps", "swf", "class":
		return classAsset
	case "txt", "xml", "csv", "tsv", "rss", "atom", "md", "yaml", "yml", "vtt", "ics":
		return classText
	case "json", "map", "webmanifest", "geojson", "jsonld":
		return classJSON
	}
	return classOther
}

func classOfType(contentType string) contentClass {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.ToLower(trimOWS(mediaType))
	switch {
	case mediaType == "text/html", mediaType == "application/xhtml+xml":
		return classHTML
	case mediaType == "application/json", strings.HasSuffix(mediaType, "+json"):
		return classJSON
	}
	return classOther
}
