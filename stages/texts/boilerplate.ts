/** Names of a picture that say nothing of what it shows, lower-cased, in the languages of many pages. */
const placeholderWords =
  `alt|alt text|alternative text|banner|blank|caption|cover|default|default image|description|dummy
featured image|file|fig|figure|gif|hero|icon|image|image alt|image not found|images|img|jpeg|jpg|loading|logo|main image|missing
n/a|na|nan|nil|no alt|no caption|no description|no image|no image available|no photo|no picture|no title|none|not available|null
photo|photograph|photos|pic|picture|pictures|pixel|placeholder|placeholder image|png|preview|product image|product photo|profile photo
profile picture|screen shot|screenshot|slide|spacer|thumb|thumbnail|title|undefined|unknown|unnamed|untitled|user avatar|avatar
bild|bilder|foto|fotos|ohne titel|kein bild|vorschaubild|abbildung|image sans titre|sans titre|photographie|aucune image|imagen|imágenes
sin título|sin titulo|fotografía|imagem|imagens|sem título|sem titulo|immagine|immagini|senza titolo|afbeelding|geen titel|zonder titel
obraz|obrazek|zdjęcie|bez tytułu|obrázek|fotka|bez názvu|slika|bez naslova|kép|fénykép|névtelen|imagine|fără titlu|kuva|nimetön|pilt
attēls|nuotrauka|vaizdas|billede|uden titel|bilde|uten tittel|utan titel|mynd|resim|fotoğraf|görsel|adsız|gambar|tanpa judul|hình ảnh|ảnh
изображение|фото|фотография|картинка|снимка|снимок|без названия|зображення|фотографія|слика|εικόνα|φωτογραφία|תמונה|ללא כותרת
صورة|بدون عنوان|تصویر|عکس|चित्र|फोटो|छवि|ছবি|படம்|చిత్రం|รูปภาพ|ภาพ|รูป|图片|图像|圖片|圖像|照片|相片|未命名|无标题|無標題|画像|写真|無題
이미지|사진|무제|제목 없음`
    .split(/[|\n]/u)
    .map((word) => word.trim());

/** Whole texts that are a placeholder, lower-cased and without a closing number ("image 3", "Photo 2 of 7"). */
export const placeholders: ReadonlySet<string> = new Set(placeholderWords);

/**
 * Phrases of shops and page footers, a row some of them, and beside them four characters, lower-case, of which every
 * ASCII text has one that has any of the row's phrases: without them the phrases need not be looked for.
 */
const footers: readonly (readonly [phrases: string, marks: string])[] = [
  ['all rights? reserved', 'rese'],
  [
    String.raw`\b(?:click|tap|hover|touch|roll over) (?:here|on (?:the )?(?:image|photo|picture)|(?:the )?(?:image|photo|picture)|to) (?:to |for )?(?:a )?(?:enlarge|zoom|view|see|expand|open|larger|full|download|buy|play)`,
    'clic|tap |hove|touc|roll',
  ],
  [String.raw`\bclick (?:here|image|to enlarge|to zoom|for (?:a )?larger)\b`, 'clic'],
  [String.raw`\bfree (?:\w+ )?(?:shipping|delivery|returns)\b`, 'free'],
  [
    String.raw`\b(?:add to (?:cart|basket|bag|wishlist)|buy now|shop now|order now|view larger image|read more|learn more|sign up|log ?in|subscribe now|powered by|terms (?:of use|and conditions)|privacy policy|cookie policy)\b`,
    'add | now|view| mor|gn u|log |logi|powe|term|poli',
  ],
  [
    String.raw`\b(?:image|photo|picture) (?:not available|unavailable|coming soon|could not be loaded)\b`,
    'vail|soon|load',
  ],
  [
    String.raw`\b(?:skip to (?:main )?content|this image has an empty alt attribute|its file name is)\b`,
    'skip|attr|file',
  ],
  [
    'alle rechte vorbehalten|zum vergrößern (?:klicken|anklicken)|kostenloser versand|in den warenkorb',
    'rech|kost|renk',
  ],
  ['tous droits réservés|cliquez pour agrandir|livraison gratuite|ajouter au panier', 'cliq|livr|ajou'],
  ['todos los derechos reservados|haga? clic? para ampliar|envío gratis|añadir al carrito', 'rese|plia'],
  [
    'todos os direitos reservados|clique para ampliar|frete grátis|tutti i diritti riservati|spedizione gratuita',
    'rese|cliq|tutt|sped',
  ],
  [
    'alle rechten voorbehouden|gratis verzending|wszelkie prawa zastrzeżone|darmowa dostawa|tüm hakları saklıdır',
    'rech|verz|darm',
  ],
  ['все права защищены|нажмите,? чтобы увеличить|бесплатная доставка|усі права захищені', ''],
  [
    'جميع الحقوق محفوظة|版权所有|點擊放大|点击放大|包邮|無断転載|送料無料|クリックで拡大|무료배송|무료 배송|สงวนลิขสิทธิ์',
    '',
  ],
];

/** Phrases of shops and page footers: a text that has one speaks of the page, not of the picture. */
export const footerPhrases = new RegExp(footers.map(([phrases]) => phrases).join('|'), 'iu');

/** Of an ASCII text in which {@link footerPhrases} are found, lower-cased, one of these is a part; each has 4 characters. */
export const footerMarks: readonly string[] = [
  ...new Set(footers.flatMap(([, marks]) => (marks === '' ? [] : marks.split('|')))),
];

const extension =
  'jpe?g|jfif|png|gif|webp|bmp|tiff?|svg|avif|heic|heif|ico|psd|eps|pdf|mp4|mov|webm|php|aspx?|html?';

/** Texts that are a file's name: with its extension, a camera's or phone's number, or a long hash. */
export const fileNames: readonly RegExp[] = [
  new RegExp(String.raw`^[^\s/\\][^/\\]*\.(?:${extension})(?:\?[^\s?]*)?$`, 'iu'),
  new RegExp(String.raw`^(?=\S*[/\\])\S*\.(?:${extension})(?:\?[^\s?]*)?$`, 'iu'),
  // Cameras and telephones: IMG_2041, DSC00012, P1040123, PXL_20210101_1200, IMG-20200101-WA0003, GOPR0001.
  /^(?:img|image|dsc[nf]?|dscf|dscn|_?dsc|dcim|p|pict|pxl|mvi|gopr|sam|cimg|imgp|hpim|vid|scan|photo|foto|pic|picture|screenshot|fb_img|wp|kakaotalk|received|snapchat)[\s_-]*\(?\d[\d\s_().-]*(?:wa\d+|copy|edit(?:ed)?|[a-z])?$/iu,
  /^(?:whatsapp image|screen ?shot|bildschirmfoto|capture d.écran|captura de pantalla|снимок экрана)[\s_-]*\d.*$/iu,
  // Hashes, UUIDs and identifiers: without a space, long, of letters and several digits.
  /^(?=(?:\D*\d){4})[\da-z_-]{16,}$/iu,
  /^HASH\(0x[\da-f]+\)$/iu,
];

/** What a page's template or program left where a text should be: `{{ image.alt }}`, `[object Object]`, `%title%`. */
export const templateRemains =
  /\{\{[^{}]*\}\}|\$\{[^{}]*\}|\{%[^{}]*%\}|<[?%]|\[object [A-Za-z]+\]|^%\w+%$|^javascript:|\bvar \w+ ?=/u;
