package profile

// What generated members are called, like and say. Never reorder or shorten
// these lists: what Generate makes of an id would change.

var femaleNames = [...]string{
	"Ada", "Agnes", "Alba", "Alice", "Amara", "Amina", "Anouk", "Astrid", "Aylin", "Beatriz",
	"Bianca", "Camille", "Carla", "Chiara", "Clara", "Dalia", "Daria", "Elena", "Elif", "Elsa",
	"Emma", "Esther", "Eva", "Fatima", "Fiona", "Freya", "Gemma", "Greta", "Hana", "Helena",
	"Ida", "Ines", "Ingrid", "Irene", "Iris", "Jana", "Johanna", "Judith", "Julia", "Kamila",
	"Katya", "Kiri", "Lara", "Leila", "Lena", "Lin", "Lucia", "Maeve", "Maja", "Mara",
	"Marta", "Mei", "Mina", "Mira", "Nadia", "Naomi", "Nina", "Noor", "Olga", "Paula",
	"Petra", "Priya", "Rosa", "Ruth", "Sara", "Selma", "Sofia", "Tamar", "Thea", "Vera",
	"Wanda", "Yara", "Yuki", "Zara", "Zofia",
}

var maleNames = [...]string{
	"Aaron", "Adam", "Alan", "Alejo", "Amir", "Anders", "Andrei", "Anton", "Arjun", "Arthur",
	"Bastian", "Ben", "Bruno", "Carlos", "Cem", "Dag", "Daniel", "David", "Diego", "Dmitri",
	"Elias", "Emil", "Enzo", "Erik", "Felix", "Finn", "Gabriel", "Goran", "Hamid", "Hans",
	"Hugo", "Ian", "Igor", "Ivan", "Jakob", "Jan", "Jens", "Joao", "Jonas", "Juan",
	"Karim", "Kenji", "Kofi", "Lars", "Leo", "Liam", "Luca", "Magnus", "Marco", "Mateo",
	"Max", "Milan", "Nico", "Nils", "Noah", "Oscar", "Otto", "Pablo", "Pavel", "Pedro",
	"Rafael", "Ravi", "Robin", "Samir", "Sven", "Tariq", "Theo", "Tomas", "Viktor", "Wei",
	"Willem", "Yannis", "Yusuf", "Zeno", "Zoltan",
}

var otherNames = [...]string{
	"Alex", "Ari", "Ash", "Avery", "Bo", "Charlie", "Eden", "Ellis", "Jo", "Jules",
	"Kai", "Kim", "Lou", "Morgan", "Nico", "Quinn", "Remi", "River", "Robin", "Rowan",
	"Sam", "Sasha", "Sky", "Toni", "Yael",
}

// nickWords go before or after a name.
var nickWords = [...]string{
	"amber", "autumn", "birch", "blue", "bold", "brave", "bright", "calm", "cedar", "clever",
	"cloud", "comet", "copper", "coral", "curious", "daily", "dusty", "early", "ember", "fern",
	"fox", "gentle", "golden", "happy", "harbour", "hazel", "heron", "honest", "indigo", "ivory",
	"juniper", "kind", "lantern", "late", "lemon", "lucky", "lunar", "maple", "meadow", "mellow",
	"merry", "mint", "misty", "north", "ocean", "olive", "otter", "owl", "pepper", "pine",
	"plum", "quiet", "rapid", "raven", "river", "robin", "saffron", "salty", "silver", "sleepy",
	"snow", "solar", "sparrow", "spring", "stone", "storm", "sunny", "swift", "tidal", "tiny",
	"velvet", "violet", "walnut", "wandering", "warm", "wild", "willow", "winter", "witty", "wren",
}

// interests fit after "I like", "I care about" and "talk to me about".
var interests = [...]string{
	"hiking", "climbing", "cycling", "running", "swimming", "sailing", "rowing", "surfing", "skiing", "yoga",
	"dancing", "tango", "salsa", "chess", "board games", "crosswords", "video games", "card games", "football", "tennis",
	"volleyball", "table tennis", "basketball", "martial arts", "cooking", "baking", "coffee", "tea", "wine", "craft beer",
	"gardening", "houseplants", "bird watching", "astronomy", "camping", "fishing", "foraging", "travel", "train journeys", "maps",
	"languages", "history", "philosophy", "politics", "economics", "psychology", "poetry", "novels", "comics", "science fiction",
	"theatre", "opera", "cinema", "documentaries", "photography", "painting", "drawing", "pottery", "knitting", "sewing",
	"woodworking", "restoring furniture", "vintage cars", "motorcycles", "architecture", "museums", "street art", "jazz", "classical music", "techno",
	"folk music", "vinyl records", "choir singing", "the piano", "the guitar", "the cello", "programming", "electronics", "3D printing", "open data",
	"volunteering", "dogs", "cats", "horses", "beekeeping", "meditation",
}

// jobs fit after "I work as".
var jobs = [...]string{
	"a nurse", "a teacher", "an architect", "a carpenter", "a journalist", "a librarian", "an electrician", "a pharmacist",
	"a software developer", "a graphic designer", "a bus driver", "a pastry chef", "a physiotherapist", "a translator",
	"an accountant", "a civil engineer", "a gardener", "a midwife", "a sound engineer", "a lawyer", "a social worker",
	"a geologist", "an optician", "a bookseller", "a train driver", "a vet", "a dentist", "a tailor", "a chemist",
	"a tour guide", "a paramedic", "a potter", "an illustrator", "a statistician", "a bicycle mechanic", "a music teacher",
	"a cook", "a product manager", "a surveyor", "an air traffic controller",
}

// openers begin an about text; %c is the city.
var openers = [...]string{
	"I was born in %c, left twice, and came back both times.",
	"I moved to %c for a year and that was a long time ago.",
	"Call me a local: I know every second-hand bookshop in %c.",
	"I live in %c, in a flat with too many plants and not enough shelves.",
	"New in %c and still getting lost on purpose.",
	"I came to %c for work and stayed for the people.",
	"I grew up by the sea; these days I am at home in %c.",
	"Ask me where to eat in %c and you will get a list, a map and an opinion.",
	"I have lived in four countries, and %c is where I finally unpacked.",
	"My family thinks that I am on holiday in %c; it has been six years.",
}

// workLines mention the job; %j is one of jobs.
var workLines = [...]string{
	"By day I work as %j, which is more fun than it sounds.",
	"I work as %j, and I still learn something every week.",
	"I trained as %j and would choose it again.",
	"For a living I work as %j; for everything else there is the weekend.",
	"I have been working as %j for long enough to have stories.",
}

// likeLines mention two interests, %a and %b.
var likeLines = [...]string{
	"If you want to see me smile, talk to me about %a or %b.",
	"Most of my free time goes to %a, and what is left goes to %b.",
	"A perfect Sunday has %a in the morning and %b in the evening.",
	"I started with %a as a child and discovered %b last winter.",
	"I can explain why %a and %b have more in common than you would think.",
	"Friends come to me with questions about %a; I go to them with questions about %b.",
}

// plainLines are what else people say of themselves.
var plainLines = [...]string{
	"I make a decent risotto and a terrible omelette.",
	"I prefer long walks to long messages.",
	"My alarm clock and I have agreed to disagree.",
	"I read the last page first, and I am not sorry.",
	"I would rather be ten minutes early than one minute late.",
	"There is always a half-finished project on my kitchen table.",
	"I am the one who brings a pack of cards on every trip.",
	"I collect postcards that other people have written.",
	"I believe that every argument gets better after a good soup.",
	"I have never won a game of darts, but I keep trying.",
	"I take the night train whenever there is one.",
	"I can name more constellations than neighbours, and I am working on that.",
	"My best ideas arrive when I have nothing to write with.",
	"I sing in the car and deny it afterwards.",
	"I still write letters by hand, with a fountain pen and too much ink.",
	"I keep a list of small bridges that deserve a visit.",
	"Every spring I try to grow tomatoes, and every spring the snails win.",
	"I am good at listening and bad at leaving parties.",
	"I once cycled home through a thunderstorm and would do it again.",
	"My neighbours know me as the person with the loud coffee grinder.",
	"I learn a new song every month, and nobody has complained yet.",
	"I like people who ask a second question.",
	"I will always stop for a view, a cat or a bakery.",
	"I gave up on horoscopes, which is typical of my sign.",
	"There are three half-read novels in my bag at any time.",
	"I am trying to see every museum in town before the year is over.",
	"I own one good knife and eleven bad umbrellas.",
	"I am happiest near water, whatever the weather.",
	"I fix things before I read the instructions.",
	"I have strong opinions about bread.",
	"I would like to learn to juggle; so far I have learned to pick things up.",
	"I remember faces, birthdays and the plots of bad films.",
}

// closers end an about text.
var closers = [...]string{
	"Write to me if any of this sounds familiar.",
	"Tell me what you are reading at the moment.",
	"Let us begin with a coffee and see what happens.",
	"Say hello; I answer every message.",
	"If you have a spare ticket for anything, I am in.",
	"Recommend me a place that I have never heard of.",
	"I am here to meet people, not to collect them.",
	"Surprise me.",
	"Ask me about the photo, it is a long story.",
	"The first round is on me.",
}
