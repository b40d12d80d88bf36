package web

import (
	"bytes"
	"fmt"

	"nanofront/handlers"
)

var svgSuffix = []byte(".svg")

// getPhoto answers with a picture made of the id alone.
func getPhoto(x *handlers.Exchange) {
	name := x.Request().Path[len(photoPath):]
	id, ok := bytes.CutSuffix(name, svgSuffix)
	if !ok || !isID(id) {
		refuse(x, handlers.Status(404, "there is no photo %.60q", name))
		return
	}
	resp := x.Response()
	resp.Add(headerType, typeSVG)
	resp.Add(headerCache, cacheDay)
	resp.Add(headerNoSniff, noSniff)
	resp.Body = appendPhoto(resp.Body, parseInt(id))
	x.Done()
}

// appendPhoto draws a mirrored pattern of five by five fields on two colours:
// no two members in sight of each other look the same.
func appendPhoto(dst []byte, id int64) []byte {
	z := uint64(id)*0x9e3779b97f4a7c15 + 0x632be59bd9b4e019 // mixed anyway
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	hue := z % 360
	dst = fmt.Appendf(dst, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" role="img" aria-label="picture of member %d">`, id)
	dst = fmt.Appendf(dst, `<defs><linearGradient id="g%d" x2="1" y2="1"><stop stop-color="hsl(%d 62%% 46%%)"/><stop offset="1" stop-color="hsl(%d 68%% 36%%)"/></linearGradient></defs>`,
		id, hue, (hue+40+z>>9%50)%360)
	dst = fmt.Appendf(dst, `<rect width="100" height="100" rx="22" fill="url(#g%d)"/><g fill="#fff" fill-opacity=".82">`, id)
	cells := z >> 20
	for row := range 5 {
		for col := range 3 {
			on := cells&1 == 1
			cells >>= 1
			if !on {
				continue
			}
			dst = fmt.Appendf(dst, `<rect x="%d" y="%d" width="13" height="13" rx="4"/>`, 17+col*14, 17+row*14)
			if col < 2 {
				dst = fmt.Appendf(dst, `<rect x="%d" y="%d" width="13" height="13" rx="4"/>`, 17+(4-col)*14, 17+row*14)
			}
		}
	}
	return append(dst, "</g></svg>"...)
}
