/** Words of captions that say that there is a picture, not what is on it; English ones are found in all languages. */
const lists: Readonly<Record<string, string>> = {
  en: `alamy background clip clipart clip-art closeup close-up depositphotos download emoji emoticon footage free getty
    getty-images gif graphic graphics hd hi-res high-resolution icon icons illustration illustrations image images img isolated istock
    istockphoto jpeg jpg logo mockup photo photograph photographs photography photos pic pics picture pictures png preview printable
    royalty royalty-free screenshot screenshots shutterstock sticker stickers stock svg template thumbnail unsplash vector vectors
    vectorstock wallpaper wallpapers webp`,
  de: 'abbildung aufkleber bild bilder foto fotos fotografie grafik hintergrundbild illustration symbolbild vektor vorlage',
  fr: 'autocollant émoji fond icône illustration image images photo photographie photos vecteur vectoriel',
  es: 'fondo foto fotografía fotos icono ícono ilustración imagen imágenes pegatina vector',
  pt: 'adesivo figurinha foto fotografia fotos ícone ilustração imagem imagens vetor',
  it: 'adesivo foto fotografia icona illustrazione immagine immagini sfondo vettoriale',
  nl: 'afbeelding afbeeldingen foto fotografie icoon illustratie plaatje sticker',
  pl: 'fotografia grafika ikona ilustracja naklejka obraz obrazek tapeta zdjęcie zdjęcia',
  cs: 'fotka fotografie ikona ilustrace nálepka obrázek obrázky',
  sv: 'bild bilder foto fotografi ikon klistermärke illustration',
  da: 'billede billeder foto ikon klistermærke illustration',
  no: 'bilde bilder foto ikon klistremerke illustrasjon',
  fi: 'kuva kuvat valokuva kuvake kuvitus tarra',
  hu: 'fénykép fotó ikon illusztráció kép képek matrica',
  ro: 'fotografie imagine imagini ilustrație poză pictogramă',
  tr: 'çıkartma fotoğraf fotoğrafı görsel görseli illüstrasyon resim resmi simge simgesi',
  id: 'foto gambar ikon ilustrasi stiker',
  ms: 'foto gambar ikon ilustrasi pelekat',
  vi: 'ảnh hình',
  ru: 'вектор изображение изображения иконка иллюстрация картинка картинки наклейка снимок стикер стоковое фото фотография фотографии эмодзи',
  uk: 'векторний зображення іконка ілюстрація картинка наліпка світлина стікер фото фотографія емодзі',
  bg: 'изображение икона илюстрация картинка снимка стикер',
  el: 'αυτοκόλλητο εικόνα εικόνες εικονίδιο εικονογράφηση φωτογραφία φωτογραφίες',
  he: 'איור אייקון אימוג׳י מדבקה צילום תמונה תמונות',
  ar: 'الصورة أيقونة رمز صور صورة ملصق إيموجي',
  fa: 'آیکون ایموجی برچسب تصویر تصاویر عکس عکس‌های',
  ur: 'آئیکن تصویر تصاویر فوٹو',
  hi: 'आइकन इमेज इमोजी चित्र छवि तस्वीर फ़ोटो फोटो स्टिकर',
  bn: 'আইকন ইমোজি ছবি চিত্র স্টিকার',
  ta: 'படம் படங்கள் புகைப்படம் ஐகான்',
  th: 'ภาพ รูป รูปภาพ ภาพถ่าย ไอคอน สติกเกอร์ อีโมจิ',
  zh: '图片 图像 图标 圖片 圖像 圖標 照片 相片 插图 插圖 矢量 素材 壁纸 壁紙 表情 贴纸 貼紙',
  yue: '圖片 圖像 相片 插圖 图片 图像 貼紙',
  ja: '画像 写真 イラスト アイコン 素材 壁紙 絵文字 スタンプ ステッカー',
  ko: '그림 사진 삽화 스티커 아이콘 이모지 이미지 일러스트',
};

const sets = new Map(
  Object.entries(lists).map(([language, words]) => [language, new Set(words.split(/\s+/u))]),
);
const english: ReadonlySet<string> = sets.get('en') ?? new Set();

/** Whether a lower-cased word is generic in captions of a language (BCP 47 primary subtag). */
export type IsGeneric = (word: string, language: string) => boolean;

/** Whether a word is on the lists: what a data set too small to tell is judged by. */
export const isKnownGeneric: IsGeneric = (word, language) =>
  english.has(word) || sets.get(language)?.has(word) === true;

/** The words that a data set shows to be generic, by language, beside those of the lists. */
export function genericWords(found: ReadonlyMap<string, ReadonlySet<string>>): IsGeneric {
  return (word, language) => isKnownGeneric(word, language) || found.get(language)?.has(word) === true;
}
