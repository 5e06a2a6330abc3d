/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_REFPAGE_H
#define _LINUX_REFPAGE_H

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/refcount.h>

/**
 * struct refpage - What the never-written pages of a mapping read as.
 * @ref: One reference for each VMA of the process that maps it and one for
 *       each mmap() in progress.
 * @page: The captured page: order-0, kernel-owned, not on any LRU, without
 *        mapping or rmap. Its content never changes. Page tables map it with
 *        special PTEs that hold no reference; GUP takes ordinary ones, so the
 *        page may outlive this structure.
 *
 * There is one &struct refpage for each distinct content in an mm_struct. This
 * is the part that C looks at, the rest belongs to mm/refpage/.
 */
struct refpage {
	refcount_t ref;
	struct page *page;
};

#ifdef CONFIG_REFPAGE

struct refpage *refpage_capture(struct mm_struct *mm, unsigned long flags,
				unsigned long fd, unsigned long pgoff);
struct refpage *refpage_fork(struct mm_struct *mm, struct refpage *refpage);
void refpage_put(struct refpage *refpage);
int refpage_fill(struct refpage *refpage, struct folio *folio,
		 unsigned long addr, struct vm_area_struct *vma);
void refpage_exit(struct mm_struct *mm);

/**
 * refpage_get() - Take another reference.
 * @refpage: A reference page on which the caller holds a reference.
 *
 * Context: Any. Saturates instead of overflowing.
 */
static inline void refpage_get(struct refpage *refpage)
{
	refcount_inc(&refpage->ref);
}

/**
 * refpage_page() - The captured page.
 * @refpage: The reference page.
 *
 * Return: The page. It is borrowed: it lives as long as @refpage, take a
 * reference on its folio to keep it longer.
 */
static inline struct page *refpage_page(const struct refpage *refpage)
{
	return refpage->page;
}

static inline void mm_init_refpage(struct mm_struct *mm)
{
	mm->refpages = NULL;
}

#ifndef arch_refpage_prepare
/**
 * arch_refpage_prepare() - Make a captured page fit for special PTEs.
 * @page: The captured page, with its content, not yet mapped by anyone.
 *
 * Where set_pte_at() synchronises caches or memory tags it does so for normal
 * pages only. Such an architecture defines this function, and a macro of the
 * same name, to do it once and for all.
 *
 * Context: Process context.
 */
static inline void arch_refpage_prepare(struct page *page)
{
}
#endif

#else /* CONFIG_REFPAGE */

static inline struct refpage *refpage_capture(struct mm_struct *mm,
					      unsigned long flags,
					      unsigned long fd,
					      unsigned long pgoff)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline struct refpage *refpage_fork(struct mm_struct *mm,
					   struct refpage *refpage)
{
	return NULL;
}

static inline void refpage_get(struct refpage *refpage)
{
}

static inline void refpage_put(struct refpage *refpage)
{
}

static inline int refpage_fill(struct refpage *refpage, struct folio *folio,
			       unsigned long addr, struct vm_area_struct *vma)
{
	return 0;
}

static inline struct page *refpage_page(const struct refpage *refpage)
{
	return NULL;
}

static inline void mm_init_refpage(struct mm_struct *mm)
{
}

static inline void refpage_exit(struct mm_struct *mm)
{
}

#endif /* CONFIG_REFPAGE */

/**
 * vma_is_refpage() - Do never-written pages read as a reference page?
 * @vma: The VMA.
 *
 * Context: The mmap_lock or the VMA lock is held, or @vma is not attached.
 *
 * Return: True if they do, false if they read as zeros or come from a file.
 * Constant false without CONFIG_REFPAGE.
 */
static inline bool vma_is_refpage(const struct vm_area_struct *vma)
{
	return vma_test_single_mask(vma, VMA_REFPAGE);
}

/**
 * vma_refpage() - The reference page of a VMA.
 * @vma: The VMA.
 *
 * It is set before the VMA is attached and stays the same until the VMA is
 * freed, after the TLB flush. VMAs are typesafe by RCU: under bare RCU the
 * pointer may belong to another VMA's life, do not follow it there.
 *
 * Context: The mmap_lock or the VMA lock is held, or @vma is not attached.
 *
 * Return: The reference page, without a reference for the caller, or NULL if
 * @vma has none.
 */
static inline struct refpage *vma_refpage(const struct vm_area_struct *vma)
{
	return vma_is_refpage(vma) ? vma->vm_refpage : NULL;
}

/**
 * vma_clean_page() - The page that the VMA's clean PTEs map.
 * @vma: The VMA.
 *
 * A PTE is clean if it is present and special in a VMA that has a reference
 * page. It maps this page and no other: in particular never the zero page.
 *
 * Context: The mmap_lock or the VMA lock is held.
 *
 * Return: The borrowed page, see refpage_page(), or NULL if @vma has none.
 */
static inline struct page *vma_clean_page(const struct vm_area_struct *vma)
{
	return vma_is_refpage(vma) ? refpage_page(vma->vm_refpage) : NULL;
}

/**
 * vma_dup_refpage() - Give a copied VMA its own reference.
 * @vma: A copy that is not yet attached; vma->vm_refpage is the original's.
 */
static inline void vma_dup_refpage(struct vm_area_struct *vma)
{
	if (vma_is_refpage(vma))
		refpage_get(vma->vm_refpage);
}

/**
 * vma_fork_refpage() - Make a copied VMA use its own mm's reference page.
 * @vma: A VMA of the child, not yet attached, that holds a reference on the
 *       parent's reference page.
 *
 * Each mm lists its reference pages by content, so that mappings which the
 * child makes later can merge with those it inherits. The captured page itself
 * is shared with the parent.
 *
 * Context: Process context, may sleep.
 *
 * Return: 0 or -ENOMEM; @vma then still holds the parent's.
 */
static inline int vma_fork_refpage(struct vm_area_struct *vma)
{
	struct refpage *refpage;

	if (!vma_is_refpage(vma))
		return 0;

	refpage = refpage_fork(vma->vm_mm, vma->vm_refpage);
	if (IS_ERR(refpage))
		return PTR_ERR(refpage);

	refpage_put(vma->vm_refpage);
	vma->vm_refpage = refpage;
	return 0;
}

/**
 * vma_put_refpage() - Drop the VMA's reference.
 * @vma: A detached VMA.
 *
 * Special PTEs hold no reference and mmu_gather does not know the page, so
 * this must come after the TLB flush: call it when the VMA is freed and not
 * before.
 *
 * Context: Process context.
 */
static inline void vma_put_refpage(struct vm_area_struct *vma)
{
	if (vma_is_refpage(vma) && vma->vm_refpage)
		refpage_put(vma->vm_refpage);
}

#endif /* _LINUX_REFPAGE_H */
