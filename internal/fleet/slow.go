package fleet

// Stages is how many stages a request's time is divided into.
const Stages = 7

// Slow is a slow request, as /slow.json of a front has it.
type Slow struct {
	Seq               float64
	AtMS              float64
	Service, Instance string
	ID                string
	Stages            [Stages]float64 // ms
	Total             float64
}

func readSlow(body []byte, to []Slow) ([]Slow, error) {
	s := scanner{b: body}
	s.object(func(key []byte) {
		if string(key) != "requests" {
			s.skip(0)
			return
		}
		s.array(func() {
			var o Slow
			s.object(func(key []byte) {
				switch string(key) {
				case "seq":
					o.Seq = s.number()
				case "at_ms":
					o.AtMS = s.number()
				case "service":
					o.Service = s.str()
				case "instance":
					o.Instance = s.str()
				case "request_id":
					o.ID = s.str()
				case "total_ms":
					o.Total = s.number()
				case "stages_ms":
					k := 0
					s.array(func() {
						v := s.number()
						if k < len(o.Stages) {
							o.Stages[k] = v
						}
						k++
					})
				default:
					s.skip(0)
				}
			})
			to = append(to, o)
		})
	})
	if s.bad {
		return to, errJSON
	}
	return to, nil
}
